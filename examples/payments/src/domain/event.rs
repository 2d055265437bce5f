use serde::{Deserialize, Serialize};

use super::order::{Order, State};

/// What the rest of the company hears of an order, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The version of this format: a program that does not know it parks the message.
    pub format: u32,
    pub order: String,
    /// From 1, without gaps, for each order.
    pub number: u32,
    pub kind: String,
    pub cents: u64,
}

impl Event {
    /// The format that this program writes and reads.
    pub const FORMAT: u32 = 1;

    /// The event that says how `order` stands now.
    pub fn of(order: &Order) -> Self {
        let kind = match &order.state {
            State::Pending(_) | State::Voiding(_) => "placed",
            State::Completed { .. } => "completed",
            State::Failed(_) => "failed",
        };
        Self {
            format: Self::FORMAT,
            order: order.id.clone(),
            number: order.events,
            kind: kind.to_owned(),
            cents: order.cents,
        }
    }

    /// The id of the message: the same event has the same id, whoever writes it.
    pub fn id(&self) -> String {
        format!("{}#{}", self.order, self.number)
    }
}
