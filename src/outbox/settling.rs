//! Writes down what became of a message.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tower_service::Service;

use super::claim::{Claim, Claimed, Lease};
use super::delivery::{Report, deliver};
use super::message::Message;
use super::plan::{Heard, Next, plan};
use super::settlement::Settlement;
use super::shared::Shared;
use super::store::Store;
use crate::caught::Caught;
use crate::error::Rejectable;
use crate::rules::Classify;

/// How long to wait before a result that could not be written is written again.
const WRITE_AGAIN_AFTER: Duration = Duration::from_millis(250);

/// The longest that the relay leaves an upstream alone because of one rejection: an operator who closes a circuit by hand
/// waits no longer than that.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// The longest that a message waits because the upstream, or a layer, asks for it: who asks for more made a mistake, and a
/// message that waits for years is not seen by anybody.
const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Delivers a message and settles it. Returns how long the relay is to leave the upstream alone, if it is.
pub(super) async fn deliver_and_settle<St, S, R>(
    shared: Arc<Shared<St, R>>,
    service: S,
    claimed: Claimed,
    started: Instant,
    stopping: watch::Receiver<bool>,
) -> Option<Duration>
where
    St: Store,
    S: Service<Message>,
    S::Error: Rejectable + fmt::Display,
    R: Classify<S::Response, S::Error>,
{
    let Claimed { message, claim, lapses } = claimed;
    let attempts = message.attempts;
    let deadline = started.checked_add(shared.numbers.timeout);
    // No message is to blame for the claims that failed here. One that kills its process ends this count as well.
    let max_lapses = shared.handle.counts().missed_claims.get().saturating_add(shared.numbers.max_lapses.into());
    let report = if u64::from(lapses) >= max_lapses {
        Report::new(Heard::Never, format!("its lease ran out {lapses} times in a row, and nobody settled it"))
    } else {
        // Each panic of the service itself has its own end. This is one of the user's rules or error.
        let delivery = Caught::new(deliver(service, &shared.rules, message, started, deadline, stopping));
        let unjudged = |panic| Report::new(Heard::Panicked, format!("its result could not be judged: {panic}"));
        delivery.await.unwrap_or_else(unjudged)
    };
    let next = plan(report.heard, attempts, shared.numbers.max_attempts);
    let (settlement, pause) = shared.settlement(next, attempts, report.reason);
    if shared.settle(&claim, &settlement, started.checked_add(shared.numbers.lease())).await {
        shared.tell(&claim, next, &settlement);
    }
    pause
}

impl<St, R> Shared<St, R> {
    fn settlement(&self, next: Next, before: u32, reason: String) -> (Settlement, Option<Duration>) {
        match next {
            Next::Done => (Settlement::Done, None),
            Next::Park { attempts } => (Settlement::Parked { attempts, reason }, None),
            Next::Retry { attempts, retry_after } => {
                let after = retry_after.unwrap_or_default().min(MAX_WAIT).saturating_add(self.pause(attempts));
                (Settlement::Again { after, attempts, reason }, None)
            }
            Next::Wait { retry_after } => {
                let jittered = self.pause(0);
                let after = retry_after.unwrap_or_default().min(MAX_WAIT).saturating_add(jittered);
                let pause = retry_after.unwrap_or(jittered).min(MAX_PAUSE);
                (Settlement::Again { after, attempts: before, reason }, Some(pause))
            }
            Next::Release => (Settlement::Again { after: Duration::ZERO, attempts: before, reason }, None),
        }
    }

    fn tell(&self, claim: &Claim, next: Next, settlement: &Settlement) {
        let (relay, id) = (&*self.name, claim.id.as_str());
        let counts = self.handle.counts();
        match (next, settlement) {
            (Next::Wait { .. }, Settlement::Again { after, reason, .. }) => {
                counts.waited.add_one();
                tracing::debug!(relay, id, ?after, reason, "message waits");
            }
            (Next::Release, Settlement::Again { .. }) => tracing::debug!(relay, id, "message released"),
            (_, Settlement::Again { after, attempts, reason }) => {
                counts.retried.add_one();
                tracing::info!(relay, id, attempts, ?after, reason, "delivery failed");
            }
            (_, Settlement::Done) => {
                counts.delivered.add_one();
                tracing::debug!(relay, id, "message delivered");
            }
            (_, Settlement::Parked { attempts, reason }) => {
                counts.parked.add_one();
                tracing::error!(relay, id, attempts, reason, "message parked");
            }
        }
    }
}

impl<St: Store, R> Shared<St, R> {
    /// Whether it is written. Tries until the lease has run out.
    async fn settle(&self, claim: &Claim, settlement: &Settlement, until: Option<Instant>) -> bool {
        let (relay, id) = (&*self.name, claim.id.as_str());
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let limit = left.map_or(self.numbers.timeout, |left| left.min(self.numbers.timeout));
            match self.of_store("settle", limit, self.store.settle(claim, settlement)).await {
                Some(Lease::Held) => return true,
                Some(Lease::Lost) => {
                    tracing::warn!(relay, id, "lease lost");
                    break;
                }
                None if until.is_some_and(|until| until <= Instant::now()) => {
                    tracing::warn!(relay, id, "result not written");
                    break;
                }
                None => sleep(WRITE_AGAIN_AFTER).await,
            }
        }
        self.handle.counts().unsettled.add_one();
        false
    }
}
