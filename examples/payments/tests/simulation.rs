//! The program in paused time, under seeded faults and crashes: the audit after each seed.
//!
//! `WINDBREAK_ORDERS=1000000 cargo test --release -p payments --test simulation -- --nocapture` runs a million orders.

use std::sync::atomic::{AtomicU64, Ordering};

use payments::provider::Weather;
use payments::simulation::{Plan, Program, Run, run};
use tokio::time::Instant;

/// Orders of one run: enough that they meet each other, few enough that a history can be read.
const ORDERS: u32 = 20;

/// Runs all seeds, on as many threads as there are cores, and looks at each run.
fn all(seeds: u64, plan: impl Fn(u64) -> Plan + Sync, look: impl Fn(u64, &Run) + Sync) {
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    look(seed, &run(plan(seed)));
                }
            });
        }
    });
}

fn is_clean(seed: u64, run: &Run) {
    let histories: Vec<String> =
        run.histories.iter().map(|(order, lines)| format!("{order}:\n  {}", lines.join("\n  "))).collect();
    assert!(run.report.is_clean(), "seed {seed}\n{}\n{}", run.report, histories.join("\n"));
}

#[test]
fn nothing_is_lost_and_nothing_is_done_twice_whatever_the_seed() {
    let orders = std::env::var("WINDBREAK_ORDERS").ok().map_or(20_000, |orders| orders.parse().expect("a number"));
    let seeds = u64::div_ceil(orders, u64::from(ORDERS)).max(1_000);
    let [completed, failed, reversals, crashes, calls] = [const { AtomicU64::new(0) }; 5];
    let begin = Instant::now();
    all(
        seeds,
        |seed| Plan::new(seed, ORDERS),
        |seed, run| {
            is_clean(seed, run);
            completed.fetch_add(run.completed as u64, Ordering::Relaxed);
            failed.fetch_add(run.failed as u64, Ordering::Relaxed);
            reversals.fetch_add(u64::from(run.reversals), Ordering::Relaxed);
            crashes.fetch_add(u64::from(run.crashes), Ordering::Relaxed);
            calls.fetch_add(run.calls, Ordering::Relaxed);
        },
    );
    let [completed, failed, reversals, crashes, calls] =
        [completed, failed, reversals, crashes, calls].map(AtomicU64::into_inner);
    println!(
        "{seeds} seeds of {ORDERS} orders: {completed} completed, {failed} failed, {reversals} charges given back, \
         {crashes} crashes, {calls} calls to providers, {:.0?}",
        begin.elapsed()
    );
    // The faults were there: orders failed, even after a replay, and charges had to be given back.
    assert!(completed > failed && failed > seeds && reversals > seeds / 10, "too mild, or too rough");
}

#[test]
fn without_the_library_orders_are_charged_twice_or_left_behind() {
    let plan = |seed| Plan { program: Program::Naive, ..Plan::new(seed, ORDERS) };
    let twice = AtomicU64::new(0);
    all(20, plan, |seed, run| {
        assert!(!run.report.is_clean(), "seed {seed} is clean: the faults are too mild\n{}", run.report);
        twice.fetch_add(run.wrong.charged_twice as u64, Ordering::Relaxed);
    });
    let twice = twice.into_inner();
    assert!(twice >= 5, "{twice} orders of 400 were charged twice");
}

/// A crash between the call and the transaction leaves what its order says, and by state nothing is left.
#[test]
fn each_order_of_call_and_transaction_loses_what_it_must() {
    let weather = Weather { fault_ratio: 0.0, question_fault_ratio: 0.0 };
    let rows =
        [(Program::ByState, false, false), (Program::AfterTheCall, true, false), (Program::BeforeTheCall, false, true)];
    for (program, charges_are_lost, orders_are_unpaid) in rows {
        let (lost, unpaid) = (AtomicU64::new(0), AtomicU64::new(0));
        let plan = |seed| Plan { program, weather, crashes: 8, ..Plan::new(seed, ORDERS) };
        all(40, plan, |_, run| {
            lost.fetch_add(run.wrong.charged_not_completed as u64, Ordering::Relaxed);
            unpaid.fetch_add(run.wrong.completed_not_charged as u64, Ordering::Relaxed);
        });
        let (lost, unpaid) = (lost.into_inner(), unpaid.into_inner());
        assert_eq!((lost > 0, unpaid > 0), (charges_are_lost, orders_are_unpaid), "{program:?}: {lost}, {unpaid}");
    }
}
