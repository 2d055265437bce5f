//! The models are worth as much as the orders they are run in.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use interleavings::in_every_order;
use interleavings::sync::{AtomicU64, Ordering};
use loom::thread;

/// What `model` returns, in any order.
fn outcomes(model: impl Fn(&Arc<AtomicU64>) -> u64 + Send + Sync + 'static) -> HashSet<u64> {
    let outcomes = Arc::new(Mutex::new(HashSet::new()));
    let seen = Arc::clone(&outcomes);
    in_every_order(move || {
        let outcome = model(&Arc::default());
        seen.lock().unwrap().insert(outcome);
    });
    outcomes.lock().unwrap().clone()
}

#[test]
fn a_load_comes_before_and_after_a_store_by_a_thread_that_loads_first() {
    let seen = outcomes(|word| {
        let stored = Arc::clone(word);
        let other = thread::spawn(move || stored.store(stored.load(Ordering::Relaxed) + 1, Ordering::Relaxed));
        let loaded = word.load(Ordering::Relaxed);
        other.join().unwrap();
        loaded
    });
    assert_eq!(seen, HashSet::from([0, 1]));
}

#[test]
fn of_two_changes_that_are_not_atomic_one_can_be_lost() {
    let seen = outcomes(|word| {
        let add_one = |word: &AtomicU64| word.store(word.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        let others = [(); 2].map(|()| {
            let word = Arc::clone(word);
            thread::spawn(move || add_one(&word))
        });
        for other in others {
            other.join().unwrap();
        }
        word.load(Ordering::Relaxed)
    });
    assert_eq!(seen, HashSet::from([1, 2]));
}

#[test]
fn a_load_that_nothing_orders_after_a_store_can_miss_it() {
    let seen = outcomes(|word| {
        let (published, flag) = (Arc::clone(word), Arc::new(AtomicU64::new(0)));
        let raised = Arc::clone(&flag);
        let other = thread::spawn(move || {
            published.store(1, Ordering::Relaxed);
            raised.store(1, Ordering::Relaxed);
        });
        let flag = flag.load(Ordering::Relaxed);
        let word = word.load(Ordering::Relaxed);
        other.join().unwrap();
        2 * flag + word
    });
    assert_eq!(seen, HashSet::from([0, 1, 2, 3]));
}
