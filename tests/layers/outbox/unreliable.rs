//! A store and an upstream that fail at random, and an upstream that remembers everything.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::SmallRng;
use tokio::time::sleep;
use tower::Service;
use windbreak::outbox::{
    Claim, Claimed, Lease, MemoryStore, Message, Parked, ParkedHead, Settlement, Store, StoreError,
};
use windbreak::{Effect, Error, Failure, Rejection, Verdict};

use super::helpers::Fault;

pub(crate) type Dice = Arc<Mutex<SmallRng>>;

fn draw(dice: &Dice) -> u32 {
    dice.lock().unwrap().random_range(0..100)
}

fn millis(dice: &Dice, below: u64) -> Duration {
    Duration::from_millis(dice.lock().unwrap().random_range(0..below))
}

/// Fails before or after it did what it was asked to do, and takes its time.
#[derive(Clone)]
pub(crate) struct UnreliableStore {
    pub(crate) store: MemoryStore,
    pub(crate) dice: Dice,
    /// Out of a hundred calls.
    pub(crate) failures: u32,
}

impl UnreliableStore {
    async fn around<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        sleep(millis(&self.dice, 20)).await;
        let fate = draw(&self.dice);
        if fate < self.failures {
            return Err(StoreError::failed("gone before it was done"));
        }
        let result = call.await;
        sleep(millis(&self.dice, 20)).await;
        if fate < 2 * self.failures {
            return Err(StoreError::failed("gone after it was done"));
        }
        result
    }
}

impl Store for UnreliableStore {
    async fn insert(&self, message: &Message) -> Result<(), StoreError> {
        self.store.insert(message).await
    }

    async fn claim(&self, limit: usize, lease: Duration, parked: ParkedHead) -> Result<Vec<Claimed>, StoreError> {
        self.around(self.store.claim(limit, lease, parked)).await
    }

    async fn settle(&self, claim: &Claim, settlement: &Settlement) -> Result<Lease, StoreError> {
        self.around(self.store.settle(claim, settlement)).await
    }

    async fn next_due(&self, parked: ParkedHead) -> Result<Option<Duration>, StoreError> {
        self.around(self.store.next_due(parked)).await
    }

    async fn parked(&self, offset: usize, limit: usize) -> Result<Vec<Parked>, StoreError> {
        self.store.parked(offset, limit).await
    }

    async fn unpark(&self, id: &str) -> Result<bool, StoreError> {
        self.store.unpark(id).await
    }

    async fn delete_done(&self, for_longer_than: Duration, limit: usize) -> Result<usize, StoreError> {
        self.around(self.store.delete_done(for_longer_than, limit)).await
    }
}

/// What an upstream knows of a message.
#[derive(Debug, Default, Clone)]
pub(crate) struct Known {
    pub(crate) accepted: u32,
    /// Attempts that failed and count, since it was last unparked.
    pub(crate) failed: u32,
    /// How many attempts the message said had failed, each time it came, beside how many had.
    pub(crate) counts: Vec<(u32, u32)>,
    /// Why it must have been parked, or may have been.
    pub(crate) is_refused: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) known: HashMap<String, Known>,
    /// The first acceptance of each message, in order, by topic.
    pub(crate) order: HashMap<String, Vec<String>>,
    in_flight: HashMap<String, u32>,
    pub(crate) most_in_flight_of_a_topic: u32,
    pub(crate) calls: u32,
}

#[derive(Clone)]
pub(crate) struct UnreliableUpstream {
    pub(crate) memory: Arc<Mutex<Memory>>,
    pub(crate) dice: Dice,
    /// Out of a hundred calls.
    pub(crate) failures: u32,
}

/// Ends with its call, also where that is dropped.
struct InFlight(Arc<Mutex<Memory>>, String);

impl InFlight {
    fn start(memory: &Arc<Mutex<Memory>>, topic: &str) -> Self {
        let mut known = memory.lock().unwrap();
        let count = known.in_flight.entry(topic.to_owned()).or_default();
        *count += 1;
        let count = *count;
        known.most_in_flight_of_a_topic = known.most_in_flight_of_a_topic.max(count);
        Self(Arc::clone(memory), topic.to_owned())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(count) = self.0.lock().unwrap().in_flight.get_mut(&self.1) {
            *count -= 1;
        }
    }
}

impl UnreliableUpstream {
    fn know<T>(&self, message: &Message, note: impl FnOnce(&mut Known) -> T) -> T {
        note(self.memory.lock().unwrap().known.entry(message.id.clone()).or_default())
    }

    fn accept(&self, message: &Message) {
        let mut memory = self.memory.lock().unwrap();
        let known = memory.known.entry(message.id.clone()).or_default();
        known.accepted += 1;
        if known.accepted == 1 {
            memory.order.entry(message.topic.clone()).or_default().push(message.id.clone());
        }
    }

    async fn call_it(self, message: Message) -> Result<Verdict, Fault> {
        self.memory.lock().unwrap().calls += 1;
        self.know(&message, |known| known.counts.push((message.attempts, known.failed)));
        let fate = draw(&self.dice);
        let fails = |known: &mut Known| known.failed += 1;
        // What our own layers reject is not sent.
        if fate < self.failures / 4 {
            let retry_after = (fate % 2 == 0).then_some(Duration::from_millis(700));
            return Err(Rejection::circuit_open("card", retry_after).into());
        }
        let _in_flight = InFlight::start(&self.memory, &message.topic);
        sleep(millis(&self.dice, 100)).await;
        if fate >= self.failures {
            self.accept(&message);
            sleep(millis(&self.dice, 100)).await;
            return Ok(Verdict::Success);
        }
        match fate % 9 {
            // Accepted, and the response is lost: at once, or by a timeout, or by a panic.
            0 => {
                self.know(&message, fails);
                self.accept(&message);
                Err(Error::Service("reset"))
            }
            1 => {
                self.know(&message, fails);
                self.accept(&message);
                std::future::pending().await
            }
            2 => {
                self.know(&message, fails);
                self.accept(&message);
                panic!("out of paper")
            }
            3 => {
                self.know(&message, fails);
                Err(Error::Service("reset"))
            }
            4 => Ok(Verdict::throttled(Some(Duration::from_millis(300)))),
            5 => {
                self.know(&message, fails);
                Ok(Verdict::in_progress(None))
            }
            6 => {
                self.know(&message, |known| known.is_refused = true);
                Ok(Verdict::Declined)
            }
            7 => {
                self.know(&message, |known| known.is_refused = true);
                Ok(Verdict::Failure(Failure::new(Effect::NotApplied).permanent()))
            }
            _ => {
                self.know(&message, |known| known.is_refused = true);
                Ok(Verdict::Ignored)
            }
        }
    }
}

impl Service<Message> for UnreliableUpstream {
    type Response = Verdict;
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Verdict, Fault>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, message: Message) -> Self::Future {
        Box::pin(self.clone().call_it(message))
    }
}
