//! The circuit against a reference: a slow, obvious breaker that keeps every call with its time and works everything
//! out anew at each question. Both are driven through the same random histories and must agree after every step.
//!
//! About 100,000 steps; `WINDBREAK_STEPS=10000000` asks for more (then with `--release`).

mod calls;
mod operator;
mod reference;
mod rules;
mod steps;
mod subject;
mod walk;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use rules::any_rules;
use steps::any_step;
use walk::Walk;

/// Long enough for several turns through all states, short enough to shrink.
const LONGEST_HISTORY: usize = 800;

#[test]
fn agrees_with_a_plain_list_of_calls_step_by_step() {
    let wanted = match std::env::var("WINDBREAK_STEPS") {
        Ok(steps) => steps.parse().expect("WINDBREAK_STEPS is a number"),
        Err(_) => 100_000_u64,
    };
    let taken = Cell::new(0);
    let seen = RefCell::new(BTreeMap::new());

    let config = Config { cases: 64, failure_persistence: None, max_shrink_iters: 50_000, ..Config::default() };
    let histories = (prop::collection::vec(any_rules(), 3), prop::collection::vec(any_step(), 1..=LONGEST_HISTORY));
    while taken.get() < wanted {
        // A runner counts its cases over all its runs, so each run takes a new one.
        let result = TestRunner::new(config.clone()).run(&histories, |(rules, steps)| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
            runtime.block_on(async {
                let mut walk = Walk::new(rules);
                walk.compare()?;
                taken.set(taken.get() + steps.len() as u64);
                for step in steps {
                    walk.take(step).await?;
                }
                for (what, times) in walk.reference.seen {
                    *seen.borrow_mut().entry(what).or_insert(0) += times;
                }
                // Look at the one that was not used meanwhile.
                prop_assert_eq!(walk.left_alone.circuit.snapshot().tally, walk.watched.circuit.snapshot().tally);
                Ok(())
            })
        });
        if let Err(error) = result {
            panic!("{error}");
        }
    }

    // The walk is of use only if it comes everywhere.
    let (taken, seen) = (taken.get(), seen.into_inner());
    println!("{taken} steps: {seen:?}");
    for what in [
        "closed to open",
        "open to half-open",
        "half-open to open",
        "half-open to closed",
        "half-open to recovering",
        "recovering to closed",
        "recovering to open",
        "failures that do not span the time",
        "abandoned",
        "cancelled probes add up",
        "reconfigured",
        "admitted at the very end of the wait",
        "all probes are out",
        "probe gives its place back",
        "hung probe",
        "hung probes whose open wait is over too",
        "result of an earlier era",
    ] {
        let times = seen.get(what).copied().unwrap_or_default();
        assert!(times > taken / 10_000, "{what}: only {times} times in {taken} steps");
    }
}
