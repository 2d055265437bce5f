//! Two relays, one store and one upstream, all of which fail at random, by a seed. Hours of it take seconds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::{Instant, sleep, timeout};
use windbreak::outbox::{MemoryStore, Message, Relay, State, Store};

use super::helpers::{Rules, rules};
use super::unreliable::{Dice, Known, Memory, UnreliableStore, UnreliableUpstream};

const MESSAGES: u32 = 40;
const TOPICS: u32 = 6;
const MAX_ATTEMPTS: u32 = 4;

/// What goes wrong in a run, besides the upstream.
#[derive(Clone, Copy)]
struct Faults {
    /// Out of a hundred calls of the store.
    store: u32,
    /// Whether relays are dropped at any moment.
    crashes: bool,
}

struct World {
    store: MemoryStore,
    memory: Arc<Mutex<Memory>>,
    dice: Dice,
    faults: Faults,
}

impl World {
    fn relay(&self, upstream_fails: u32, faults: Faults) -> Relay<UnreliableStore, UnreliableUpstream, Rules> {
        let store = UnreliableStore { store: self.store.clone(), dice: Arc::clone(&self.dice), failures: faults.store };
        let upstream = UnreliableUpstream {
            memory: Arc::clone(&self.memory),
            dice: Arc::clone(&self.dice),
            failures: upstream_fails,
        };
        Relay::builder("simulated", store, upstream, rules())
            .topics_at_once(3)
            .timeout(Duration::from_millis(400))
            .backoff(Duration::from_millis(200))
            .max_attempts(MAX_ATTEMPTS)
            .max_lapses(1_000)
            .keep_done_for(Duration::MAX)
            .seed(self.draw(u64::MAX))
            .build()
            .expect("a relay")
    }

    fn draw(&self, below: u64) -> u64 {
        self.dice.lock().unwrap().random_range(0..below)
    }

    fn millis(&self, below: u64) -> Duration {
        Duration::from_millis(self.draw(below))
    }

    /// One process: it runs, is told to end or is dropped, and runs again.
    async fn process(&self, until: Instant) {
        while Instant::now() < until {
            let relay = self.relay(60, self.faults);
            let life = self.millis(3_000);
            if self.faults.crashes && self.draw(3) > 0 {
                let _ = timeout(life, relay.run(std::future::pending())).await;
            } else {
                relay.run(sleep(life)).await;
            }
            sleep(self.millis(300)).await;
        }
    }

    async fn produce(&self) -> HashMap<String, Vec<String>> {
        let mut inserted: HashMap<String, Vec<String>> = HashMap::new();
        for place in 0..MESSAGES {
            let topic = format!("t{}", self.draw(u64::from(TOPICS)));
            let id = format!("{topic}/{place}");
            let due_in = if self.draw(5) == 0 { self.millis(2_000) } else { Duration::ZERO };
            self.store.insert(&Message::new(id.as_str()).topic(topic.as_str()).due_in(due_in)).await.unwrap();
            inserted.entry(topic).or_default().push(id);
            sleep(self.millis(200)).await;
        }
        inserted
    }

    /// A person, who looks at what is parked every now and then.
    async fn operate(&self, until: Instant) {
        while Instant::now() < until {
            sleep(self.millis(4_000)).await;
            self.unpark_all().await;
        }
    }

    async fn unpark_all(&self) {
        for parked in self.store.parked(0, 100).await.unwrap() {
            let id = parked.message.id.as_str();
            {
                let mut memory = self.memory.lock().unwrap();
                let known = memory.known.get_mut(id).expect("the upstream was asked, or it would not be parked");
                let is_exhausted = parked.message.attempts == MAX_ATTEMPTS && known.failed >= MAX_ATTEMPTS;
                assert!(known.is_refused || is_exhausted, "{parked:?} {known:?}");
                if !self.faults.crashes && self.faults.store == 0 && !known.is_refused {
                    assert_eq!(parked.message.attempts, known.failed, "{parked:?}");
                }
                (known.failed, known.is_refused) = (0, false);
            }
            assert!(self.store.unpark(id).await.unwrap());
        }
    }
}

fn run(seed: u64, faults: Faults) -> Memory {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let dice: Dice = Arc::new(Mutex::new(SmallRng::seed_from_u64(seed)));
        let world = World { store: MemoryStore::new(), memory: Arc::default(), dice, faults };
        let until = Instant::now() + Duration::from_secs(20);
        let (inserted, ..) =
            tokio::join!(world.produce(), world.process(until), world.process(until), world.operate(until));
        // All is well again.
        world.unpark_all().await;
        world.relay(0, Faults { store: 0, crashes: false }).run(sleep(Duration::from_secs(60))).await;
        audit(seed, &world, &inserted);
        std::mem::take(&mut *world.memory.lock().unwrap())
    })
}

fn audit(seed: u64, world: &World, inserted: &HashMap<String, Vec<String>>) {
    for (message, state) in world.store.messages() {
        assert_eq!(state, State::Done, "seed {seed}: {message:?} is lost");
    }
    let memory = world.memory.lock().unwrap();
    assert_eq!(&memory.order, inserted, "seed {seed}: once each, and each topic in its order");
    assert!(memory.most_in_flight_of_a_topic <= 1, "seed {seed}: {} at once", memory.most_in_flight_of_a_topic);
    for (id, Known { counts, .. }) in &memory.known {
        for (said, failed) in counts {
            // A result that could not be written is not counted; what was not sent never is.
            let is_right = if world.faults.crashes || world.faults.store > 0 { said <= failed } else { said == failed };
            assert!(is_right, "seed {seed}: {id} says {said} attempts, and {failed} failed: {counts:?}");
        }
    }
}

fn seeds() -> u64 {
    std::env::var("WINDBREAK_SEEDS").map_or(100, |seeds| seeds.parse().expect("a number of seeds"))
}

/// Repeats are allowed, so these runs must have some, or they proved nothing.
fn repeats(memory: &Memory) -> u32 {
    memory.known.values().map(|known| known.accepted - 1).sum()
}

#[test]
fn attempts_are_counted_exactly_whatever_the_upstream_does() {
    let calls: u32 = (0..seeds()).map(|seed| run(seed, Faults { store: 0, crashes: false }).calls).sum();
    assert!(calls > 60 * u32::try_from(seeds()).unwrap(), "{calls} calls");
}

#[test]
fn nothing_is_lost_and_nothing_overtakes_while_everything_fails() {
    let repeats: u32 = (0..seeds()).map(|seed| repeats(&run(seed, Faults { store: 5, crashes: true }))).sum();
    assert!(repeats > u32::try_from(seeds()).unwrap(), "{repeats} repeats");
}
