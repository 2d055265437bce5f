use std::time::Duration;

use tower::service_fn;
use windbreak::backoff::Backoff;
use windbreak::outbox::{Message, Relay, RelayBuilder};
use windbreak::rules::rules_fn;
use windbreak::{Effect, Error, Failure, InvalidConfig, Verdict};

use super::events::{Delivery, judge, stack};
use super::shop::Shop;
use super::sweep::Unswept;
use crate::gateway::Wire;
use crate::storage::Storage;

/// How often the relays look by themselves. A shop that is busier than this one is told by a notification.
const POLL: Duration = Duration::from_millis(100);

/// From half a second up to ten: an outage of a provider is met with little load, and its end is soon noticed.
fn backoff() -> Backoff {
    Backoff::exponential(Duration::from_millis(500)).max(Duration::from_secs(10))
}

/// The numbers of both relays.
fn numbers<St, S, R>(relay: RelayBuilder<St, S, R>) -> RelayBuilder<St, S, R> {
    relay
        .topics_at_once(32)
        .timeout(Duration::from_secs(2))
        .backoff(backoff())
        .max_attempts(100)
        .poll_every(POLL)
        .keep_done_for(Duration::from_secs(60))
}

/// Runs both relays of a shop, for events and for the sweep, until `shutdown`.
///
/// What it does not deliver it leaves in the outbox, parked where a person must look.
pub async fn relay<W: Wire, S: Storage, D: Delivery>(
    shop: Shop<W, S>,
    delivery: D,
    shutdown: impl Future<Output = ()>,
) -> Result<(), InvalidConfig> {
    let storage = shop.storage();
    let events =
        numbers(Relay::builder("events", storage.events(), stack(delivery)?, rules_fn(judge::<()>))).build()?;
    let sweeps = storage.sweeps();
    let sweep = service_fn(move |message: Message| {
        let shop = shop.clone();
        async move { shop.sweep(&message.id).await.map_err(Error::Service) }
    });
    let sweeps = numbers(Relay::builder("sweep", sweeps, sweep, rules_fn(judge_sweep))).build()?;
    let (end, _) = tokio::sync::watch::channel(false);
    let stopped = |mut stopped: tokio::sync::watch::Receiver<bool>| async move {
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    let (first, second) = (stopped(end.subscribe()), stopped(end.subscribe()));
    tokio::join!(events.run(first), sweeps.run(second), async {
        shutdown.await;
        end.send_replace(true);
    });
    Ok(())
}

fn judge_sweep(result: Result<&(), &Error<Unswept>>) -> Verdict {
    match result {
        Ok(()) => Verdict::Success,
        Err(error) => match (error.rejection(), error.service()) {
            (Some(rejection), _) => rejection.into(),
            (None, Some(Unswept::Processing)) => Verdict::in_progress(None),
            // Parked: for a person.
            (None, Some(Unswept::Contradiction(_) | Unswept::NoKey(_))) => {
                Verdict::Failure(Failure::new(Effect::NotApplied).permanent())
            }
            // Our own database: no attempt at the provider failed, and the next order would not fare better.
            (None, Some(Unswept::Storage(_))) => Verdict::throttled(Some(Duration::from_millis(200))),
            _ => Verdict::UNKNOWN,
        },
    }
}
