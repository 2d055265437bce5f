//! The one place that decides what news does to an order.

use super::news::News;
use super::order::{Order, State, Why};

/// What news leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The row changes to this, if it is still of the version that was read.
    Set(State),
    /// The row says so already.
    Known,
    /// The row has gone on: the news changes nothing, and nothing is wrong.
    Late,
    /// It cannot be true beside what the row says: it is recorded, and never applied.
    Contradiction(&'static str),
}

/// What `news` of the attempt `attempt` does to `order`.
pub fn decide(order: &Order, attempt: u32, news: &News) -> Decision {
    if attempt != order.attempt {
        return match news {
            News::Charged { .. } => Decision::Contradiction("a charge of an attempt that was given up"),
            _ => Decision::Late,
        };
    }
    match news {
        News::Sending(to) => match order.state {
            State::Pending(at) if at == Some(*to) => Decision::Known,
            State::Pending(_) => Decision::Set(State::Pending(Some(*to))),
            State::Voiding(at) if at != *to => Decision::Set(State::Pending(Some(*to))),
            _ => Decision::Late,
        },
        News::Voiding(at) => match order.state {
            State::Pending(now) if now == Some(*at) => Decision::Set(State::Voiding(*at)),
            State::Voiding(now) if now == *at => Decision::Known,
            _ => Decision::Late,
        },
        News::Charged { at, cents, receipt } => match &order.state {
            _ if *cents != order.cents => Decision::Contradiction("another amount was charged"),
            State::Pending(now) if *now == Some(*at) => {
                Decision::Set(State::Completed { at: *at, receipt: receipt.clone() })
            }
            // The void decides: it undoes this charge.
            State::Voiding(now) if now == at => Decision::Late,
            State::Completed { at: now, .. } if now == at => Decision::Known,
            State::Completed { .. } => Decision::Contradiction("a second charge"),
            State::Failed(_) => Decision::Contradiction("a charge of an order that failed"),
            State::Pending(_) | State::Voiding(_) => Decision::Contradiction("a charge where it was not sent"),
        },
        News::Declined { at } => match &order.state {
            State::Pending(now) if *now == Some(*at) => Decision::Set(State::Failed(Why::Declined)),
            State::Completed { at: now, .. } if now == at => {
                Decision::Contradiction("declined, and the order is completed")
            }
            State::Failed(Why::Declined) => Decision::Known,
            _ => Decision::Late,
        },
        News::NothingApplied => match order.state {
            State::Pending(_) | State::Voiding(_) => Decision::Set(State::Failed(Why::Unavailable)),
            State::Completed { .. } => Decision::Contradiction("applied nowhere, and the order is completed"),
            State::Failed(_) => Decision::Known,
        },
        News::Voided { at } => match order.state {
            State::Pending(now) if now == Some(*at) => Decision::Set(State::Failed(Why::Voided)),
            State::Voiding(now) if now == *at => Decision::Set(State::Failed(Why::Voided)),
            State::Completed { at: now, .. } if now == *at => {
                Decision::Contradiction("voided, and the order is completed")
            }
            State::Failed(_) => Decision::Known,
            _ => Decision::Late,
        },
        News::LeftUnsent => match order.state {
            State::Pending(None) => Decision::Set(State::Failed(Why::NeverSent)),
            _ => Decision::Late,
        },
        News::TryAgain => match order.state {
            State::Failed(why) if why.may_be_tried_again() => Decision::Set(State::Pending(None)),
            _ => Decision::Late,
        },
    }
}

#[cfg(test)]
mod tests;
