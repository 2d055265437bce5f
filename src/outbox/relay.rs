use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rand::rngs::SmallRng;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tower_service::Service;

use super::claim::Claimed;
use super::handle::RelayHandle;
use super::message::Message;
use super::numbers::Numbers;
use super::settling::deliver_and_settle;
use super::shared::Shared;
use super::shutdown::Shutdown;
use super::store::Store;
use crate::error::Rejectable;
use crate::rules::Classify;
use crate::sync::Mutex;

/// How many done messages are deleted in one transaction: few enough that it is short.
const DELETED_AT_ONCE: usize = 500;

/// How often the relay looks for done messages to delete, while it finds fewer than that.
const DELETE_EVERY: Duration = Duration::from_secs(60);

/// When to look again at what is due and was not claimed: another transaction has it, and such transactions are short.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Claims messages of a [`Store`], delivers them through a service, and writes down what became of each.
///
/// See the [module](super) for what it promises.
pub struct Relay<St, S, R> {
    shared: Arc<Shared<St, R>>,
    service: S,
}

/// Why the relay looks up.
enum Wake<T> {
    Shutdown,
    Delivered(T),
    Look,
}

impl<St, S, R> Relay<St, S, R> {
    pub(super) fn new(name: Arc<str>, store: St, service: S, rules: R, numbers: Numbers, rng: SmallRng) -> Self {
        let shared = Shared { name, store, rules, numbers, handle: RelayHandle::new(), rng: Mutex::new(rng) };
        Self { shared: Arc::new(shared), service }
    }

    /// Wakes the relay, and reads what it did.
    #[must_use]
    pub fn handle(&self) -> RelayHandle {
        self.shared.handle.clone()
    }
}

impl<St, S, R> Relay<St, S, R>
where
    St: Store + 'static,
    S: Service<Message> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Response: Send,
    S::Error: Rejectable + fmt::Display + Send,
    R: Classify<S::Response, S::Error> + Send + Sync + 'static,
{
    /// Delivers messages until `shutdown` is ready. Then it claims no more, gives back what is not sent yet, and ends once
    /// all that is in flight has ended and is written down: within twice the [`timeout`](super::RelayBuilder::timeout),
    /// also if the store hangs.
    ///
    /// A store that fails does not end it: it tries again, after [`poll_every`](super::RelayBuilder::poll_every). A call of
    /// the store that does not return within the `timeout` is dropped, and counts as failed.
    ///
    /// # Panics
    ///
    /// If there is no tokio runtime with its timer enabled, or the store panics.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it drops what is in flight. Those messages are delivered again once their leases have run out.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { shared, service } = self;
        let (stop, stopping) = watch::channel(false);
        let mut deliveries = JoinSet::new();
        let shutdown = pin!(shutdown);
        let mut shutdown = Shutdown::new(shutdown);
        let mut paused_until: Option<Instant> = None;
        let mut deletes_at = Instant::now();
        loop {
            let mut look_at = Instant::now() + shared.numbers.poll_every;
            let room = shared.numbers.topics_at_once - deliveries.len();
            paused_until = paused_until.filter(|until| *until > Instant::now());
            if let Some(until) = paused_until {
                look_at = until;
            } else if room > 0 {
                let started = Instant::now();
                // It is not dropped for the shutdown: what it leases would rest until the lease runs out.
                let claimed = shutdown.beside(pin!(claim(&shared, room))).await;
                if shutdown.is_over() {
                    stop.send_replace(true);
                }
                let is_all = claimed.as_ref().is_some_and(|claimed| claimed.len() < room);
                for claimed in claimed.into_iter().flatten() {
                    let (shared, service, stopping) = (Arc::clone(&shared), service.clone(), stopping.clone());
                    deliveries.spawn(deliver_and_settle(shared, service, claimed, started, stopping));
                }
                if is_all {
                    let next = shutdown.or(pin!(next_look(&shared))).await.flatten();
                    look_at = look_at.min(next.unwrap_or(look_at));
                }
            }
            if deletes_at <= Instant::now() {
                let is_full = shutdown.or(pin!(delete_done(&shared))).await.unwrap_or_default();
                deletes_at = Instant::now() + if is_full { Duration::ZERO } else { DELETE_EVERY };
            }
            match next(&mut shutdown, &mut deliveries, &shared.handle, look_at.min(deletes_at)).await {
                Wake::Shutdown => break,
                Wake::Delivered(pause) => {
                    paused_until = paused_until.max(pause.and_then(|pause| Instant::now().checked_add(pause)));
                }
                Wake::Look => {}
            }
        }
        stop.send_replace(true);
        while deliveries.join_next().await.is_some() {}
    }
}

async fn claim<St: Store, R>(shared: &Shared<St, R>, room: usize) -> Option<Vec<Claimed>> {
    let numbers = &shared.numbers;
    let call = shared.store.claim(room, numbers.lease(), numbers.parked);
    let claimed = shared.of_store("claim", numbers.timeout, call).await;
    if claimed.is_none() {
        shared.handle.counts().missed_claims.add_one();
    }
    claimed
}

/// When the next message that the store knows of is due.
async fn next_look<St: Store, R>(shared: &Shared<St, R>) -> Option<Instant> {
    let due =
        shared.of_store("next_due", shared.numbers.timeout, shared.store.next_due(shared.numbers.parked)).await??;
    Instant::now().checked_add(if due.is_zero() { LOOK_AGAIN_AFTER } else { due })
}

/// Whether there may be more.
async fn delete_done<St: Store, R>(shared: &Shared<St, R>) -> bool {
    let keep = shared.numbers.keep_done_for;
    if keep == Duration::MAX {
        return false;
    }
    let call = shared.store.delete_done(keep, DELETED_AT_ONCE);
    let deleted = shared.of_store("delete_done", shared.numbers.timeout, call).await;
    deleted == Some(DELETED_AT_ONCE)
}

async fn next<F: Future<Output = ()>, T: Send + 'static>(
    shutdown: &mut Shutdown<'_, F>,
    deliveries: &mut JoinSet<Option<T>>,
    handle: &RelayHandle,
    look_at: Instant,
) -> Wake<Option<T>> {
    let mut notified = pin!(handle.notified());
    let mut look = pin!(sleep_until(look_at));
    poll_fn(|cx| {
        if shutdown.poll(cx) {
            return Poll::Ready(Wake::Shutdown);
        }
        match deliveries.poll_join_next(cx) {
            // What panicked is not settled: its lease runs out.
            Poll::Ready(Some(ended)) => return Poll::Ready(Wake::Delivered(ended.ok().flatten())),
            Poll::Ready(None) | Poll::Pending => {}
        }
        if notified.as_mut().poll(cx).is_ready() || look.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Wake::Look);
        }
        Poll::Pending
    })
    .await
}

impl<St, S, R> fmt::Debug for Relay<St, S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("name", &self.shared.name).finish_non_exhaustive()
    }
}
