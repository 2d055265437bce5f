//! Asks, asks again and voids, as the plan says.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rand::rngs::SmallRng;
use tokio::time::{Instant, sleep};

use super::open::Open;
use super::plan::{Heard, Next, Plan};
use super::shared::Shared;
use super::unsettled::Reason;
use super::verified::{Failed, Verified};
use crate::backoff::{Backoff, Waits};
use crate::boxed::Boxed;
use crate::caught::Caught;
use crate::deadline::{deadline_in, end_of, within};
use crate::error::{Rejectable, Rejection};
use crate::rules::{Classify, Replay, Verdict};

/// Between two questions. The first one is short because most work takes less; half of it is certain, so that no two
/// questions come at once.
fn backoff() -> Backoff {
    Backoff::exponential(Duration::from_millis(200)).max(Duration::from_secs(5))
}

/// The longest that an upstream in progress holds the caller before a question: what takes longer is for whoever settles the
/// request later.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// What becomes of a request that failed with an unknown effect.
#[cold]
pub(super) fn settle<R, Request, T, E>(
    shared: Arc<Shared<R, Request, T>>,
    copy: Option<Request>,
    result: Result<T, E>,
    verdict: Verdict,
) -> Boxed<Result<T, E>>
where
    R: Classify<T, E> + Replay<Request> + Send + Sync + 'static,
    Request: Send + 'static,
    T: Send + 'static,
    E: Rejectable + Send + 'static,
{
    let open = Open::new(shared, copy, result.as_ref());
    Boxed::new(run(open, result, verdict))
}

async fn run<R, Request, T, E>(mut open: Open<R, Request, T>, result: Result<T, E>, verdict: Verdict) -> Result<T, E>
where
    R: Classify<T, E> + Replay<Request>,
    E: Rejectable,
{
    let config = open.shared().config.clone();
    let deadline = poll_fn(|cx| Poll::Ready(deadline_in(cx))).await;
    let mut plan = Plan::new(config.attempts, config.void.is_some());
    let mut waits = None;
    let mut asked = 0;
    let mut response = None;

    let mut pause = match verdict {
        Verdict::InProgress { retry_after: Some(wait) } => wait.min(MAX_WAIT).max(config.after),
        _ => config.after,
    };
    let mut next = plan.ask(pause, time_left(deadline));
    if !open.has_copy() {
        open.reason = Reason::NoCopy;
        next = Next::Unsettled;
    } else if next != Next::Ask {
        open.reason = if plan.may_ask_again() { Reason::NoTime } else { Reason::Unknown };
    }
    loop {
        next = match next {
            Next::Ask => {
                if !pause.is_zero() {
                    sleep(pause).await;
                }
                let Some(request) = open.copy() else {
                    open.reason = Reason::NoCopy;
                    next = Next::Unsettled;
                    continue;
                };
                let failed = Failed { error_type: open.error_type(), asked_before: asked };
                asked += 1;
                let question = async { (config.ask)(request, failed).await };
                let heard = match bounded(config.timeout, deadline, question).await {
                    Ok(Ok(Verified::Applied(found))) if is_final(&open.shared().rules, &found) => {
                        response = Some(found);
                        Heard::Applied
                    }
                    Ok(Ok(Verified::NotApplied)) => Heard::NotApplied,
                    Ok(Ok(Verified::InProgress { retry_after })) => {
                        let (waits, rng) =
                            waits.get_or_insert_with(|| (Waits::default(), rand::make_rng::<SmallRng>()));
                        let told = retry_after.unwrap_or_default().min(MAX_WAIT);
                        pause = told.saturating_add(waits.next(&backoff(), rng));
                        open.reason = Reason::InProgress;
                        Heard::InProgress
                    }
                    Ok(Ok(Verified::Applied(_) | Verified::Unknown)) => {
                        open.reason = Reason::Unknown;
                        Heard::Unknown
                    }
                    Ok(Err(error)) => {
                        open.reason = Reason::Failed { error };
                        Heard::Unknown
                    }
                    Err(reason) => {
                        open.reason = reason;
                        Heard::Unknown
                    }
                };
                let next = plan.hear(heard, pause, time_left(deadline));
                if heard == Heard::InProgress && next != Next::Ask && plan.may_ask_again() {
                    open.reason = Reason::NoTime;
                }
                next
            }
            Next::Void => {
                let void = config.void.clone().zip(open.copy());
                let error = match void {
                    None => Some("the request could not be copied".to_owned()),
                    Some((void, request)) => {
                        match bounded(config.timeout, deadline, async { void(request).await }).await {
                            Ok(result) => result.err(),
                            Err(reason) => Some(reason.of_a_void()),
                        }
                    }
                };
                let is_done = error.is_none();
                open.void_error = error;
                Plan::voided(is_done)
            }
            Next::Applied => {
                open.settled("applied");
                return Ok(response.expect("it was heard"));
            }
            Next::NotApplied => {
                let error_type = open.error_type();
                open.settled("not_applied");
                return Err(Rejection::not_applied(error_type).into());
            }
            Next::Unsettled => {
                open.unsettled();
                return result;
            }
        };
    }
}

/// Whether `found` can be what the upstream made of the request: anything that the rules would have repeated is not.
fn is_final<R, T, E>(rules: &R, found: &T) -> bool
where
    R: Classify<T, E>,
{
    matches!(rules.classify(Ok(found)), Verdict::Success | Verdict::Declined)
}

fn time_left(deadline: Option<Instant>) -> Option<Duration> {
    deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
}

/// What `future` says within `limit` and before the deadline of the request; or why it did not.
async fn bounded<F: Future>(limit: Duration, deadline: Option<Instant>, future: F) -> Result<F::Output, Reason> {
    let limit = time_left(deadline).map_or(limit, |left| left.min(limit));
    match within(end_of(limit), Caught::new(future)).await {
        Some(Ok(output)) => Ok(output),
        Some(Err(message)) => Err(Reason::Panicked { message }),
        None => Err(Reason::TimedOut { limit }),
    }
}
