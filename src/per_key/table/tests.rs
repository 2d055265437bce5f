use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::AtomicU8;

use proptest::prelude::*;
use tokio::runtime::Builder;
use tokio::time::advance;

use super::*;

/// A layer that is told how long to keep it.
type Told = Arc<AtomicU8>;

thread_local! {
    static ASKED: Cell<usize> = const { Cell::new(0) };
}

const ALL: [Keep; 3] = [Keep::No, Keep::UntilIdle, Keep::Yes];

fn keep_of(told: &Told) -> Keep {
    ASKED.set(ASKED.get() + 1);
    ALL[usize::from(told.load(Ordering::Relaxed))]
}

const MAX_IDLE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
enum Step {
    /// A request that ends at once, or is under way until the end.
    Request {
        key: u8,
        stays: bool,
    },
    /// The oldest request under way ends.
    End,
    Tell {
        key: u8,
        keep: u8,
    },
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u8..8, prop::bool::weighted(0.2)).prop_map(|(key, stays)| Step::Request { key, stays }),
        2 => Just(Step::End),
        3 => (0_u8..8, 0_u8..3).prop_map(|(key, keep)| Step::Tell { key, keep }),
        2 => (1_u64..8).prop_map(Step::Advance),
    ]
}

/// What is known of a key that has a layer.
struct Known {
    told: Told,
    last: Instant,
    held: usize,
}

impl Known {
    fn is_as_good_as_new(&self) -> bool {
        self.held == 0 && self.told.load(Ordering::Relaxed) == 0
    }

    fn may_go(&self) -> (bool, bool) {
        let idle = self.last.elapsed() > MAX_IDLE;
        let keep = ALL[usize::from(self.told.load(Ordering::Relaxed))];
        (self.held == 0 && (keep == Keep::No || keep == Keep::UntilIdle && idle), idle)
    }
}

/// So few that each request for room comes to all of them.
fn run(max_keys: usize, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        // All keys have one hash: a bad one is a slow one, and nothing else.
        let table: Table<u8, Told> = Table::new(max_keys, keep_of);
        let mut model: HashMap<u8, Known> = HashMap::new();
        let mut under_way = Vec::new();
        for step in steps {
            match step {
                Step::Request { key, stays } => {
                    let was_full = model.len() == max_keys;
                    let can_make_room = model.values().any(|known| known.may_go().0);
                    let has_to_make_room = model.values().any(Known::is_as_good_as_new);
                    ASKED.set(0);
                    let slot = if let Some(slot) = table.get(7, &key) {
                        slot.mark_used();
                        Some(slot)
                    } else {
                        table.make_room(MAX_IDLE);
                        table.insert(Slot::new(7, key, Told::default())).ok()
                    };
                    prop_assert!(ASKED.get() <= VISITS_FOR_ROOM);
                    let was_known = model.contains_key(&key);
                    prop_assert!(slot.is_none() || was_known || !was_full || can_make_room);
                    // How long a key is idle is known late, so what waits for that may stay for longer.
                    prop_assert!(slot.is_some() || !was_known && was_full && !has_to_make_room);
                    for (evicted, known) in &model {
                        if !table.iter().any(|slot| slot.key == *evicted) {
                            let (may_go, idle) = known.may_go();
                            prop_assert!(may_go && (idle || was_full), "{evicted} was evicted");
                        }
                    }
                    model.retain(|key, _| table.iter().any(|slot| slot.key == *key));
                    if let Some(slot) = slot {
                        let fresh = || Known { told: Arc::clone(&slot.layer), last: Instant::now(), held: 0 };
                        let known = model.entry(key).or_insert_with(fresh);
                        prop_assert!(Arc::ptr_eq(&known.told, &slot.layer), "the layer of {key} is another one");
                        known.last = Instant::now();
                        if stays {
                            known.held += 1;
                            under_way.push(slot);
                        }
                    }
                }
                Step::End if !under_way.is_empty() => {
                    let slot = under_way.remove(0);
                    slot.mark_left();
                    let known = model.get_mut(&slot.key).expect("it is held");
                    known.held -= 1;
                    known.last = Instant::now();
                }
                Step::End => {}
                Step::Tell { key, keep } => {
                    if let Some(known) = model.get(&key) {
                        known.told.store(keep, Ordering::Relaxed);
                    }
                }
                Step::Advance(secs) => advance(Duration::from_secs(secs)).await,
            }
            prop_assert_eq!(table.len(), model.len());
            prop_assert_eq!(table.iter().count(), model.len());
            prop_assert!(model.len() <= max_keys);
        }
        Ok(())
    })
}

proptest! {
    #[test]
    fn evicts_what_may_go_and_nothing_else(
        max_keys in 1_usize..=SPARING,
        steps in prop::collection::vec(step(), 0..200),
    ) {
        run(max_keys, steps)?;
    }
}

thread_local! {
    static MEANWHILE: Cell<Option<fn()>> = const { Cell::new(None) };
    static HELD: std::cell::RefCell<Option<Arc<Table<u8, Told>>>> = const { std::cell::RefCell::new(None) };
}

#[test]
fn a_request_that_came_and_went_while_the_layer_was_asked_keeps_the_key() {
    fn asked(_: &Told) -> Keep {
        if let Some(meanwhile) = MEANWHILE.take() {
            meanwhile();
        }
        Keep::No
    }
    let cases: [(fn(), bool); 4] = [
        (|| (), false),
        (|| HELD.with_borrow(|table| table.as_ref().unwrap().get(7, &1).unwrap().mark_used()), true),
        // An operator who has looked it up may have switched it.
        (|| HELD.with_borrow(|table| drop(table.as_ref().unwrap().get(7, &1).unwrap())), true),
        (|| HELD.with_borrow(|table| assert_eq!(table.as_ref().unwrap().iter().count(), 1)), true),
    ];
    for (meanwhile, stays) in cases {
        let table = Arc::new(Table::new(1, asked as fn(&Told) -> Keep));
        drop(table.insert(Slot::new(7, 1, Told::default())));
        HELD.set(Some(Arc::clone(&table)));
        MEANWHILE.set(Some(meanwhile));
        let look = Look { now: Instant::now(), max_idle: MAX_IDLE, for_room: true, sparing: false };
        table.visit_next(look);
        assert_eq!(table.len(), usize::from(stays));
        assert_eq!(table.get(7, &1).is_some(), stays);
    }
}

#[test]
fn of_two_layers_that_are_made_for_keys_without_room_the_first_is_shared() {
    let table: Table<u8, Told> = Table::new(1, keep_of);
    let first = table.overflow_or(Slot::new(7, 1, Told::default()));
    let second = table.overflow_or(Slot::new(8, 2, Told::default()));
    assert!(Arc::ptr_eq(&first, &second) && Arc::ptr_eq(&first, table.overflow().unwrap()));
}

/// Without a model: threads race for a few keys, and a layer that is held is never another one's.
#[test]
fn threads_that_share_a_key_share_its_layer() {
    let table: Table<u8, Told> = Table::new(2, keep_of);
    let in_use: [std::sync::Mutex<Vec<Told>>; 3] = std::array::from_fn(|_| std::sync::Mutex::default());
    std::thread::scope(|scope| {
        for thread in 0..4_usize {
            let (table, in_use) = (&table, &in_use);
            scope.spawn(move || {
                for turn in 0..20_000 {
                    let key = (turn * 7 + thread) % 3;
                    #[allow(clippy::cast_possible_truncation, reason = "one of three")]
                    let name = key as u8;
                    let slot = table.get(7, &name).or_else(|| {
                        table.make_room(MAX_IDLE);
                        table.insert(Slot::new(7, name, Told::default())).ok()
                    });
                    let Some(slot) = slot else { continue };
                    let mut held = in_use[key].lock().unwrap();
                    assert!(held.iter().all(|told| Arc::ptr_eq(told, &slot.layer)), "two layers of one key");
                    held.push(Arc::clone(&slot.layer));
                    drop(held);
                    in_use[key].lock().unwrap().pop();
                }
            });
        }
    });
    assert!(table.len() <= 2);
}
