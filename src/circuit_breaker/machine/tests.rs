//! What cannot be shown from outside: when the clock is read, and chance with a known seed. All else is in
//! `tests/circuit_breaker` and `tests/circuit_reference.rs`.

use super::*;
use crate::backoff::{Backoff, Jitter};

const SECOND: Duration = Duration::from_secs(1);

fn rules(open_for: Backoff) -> Rules {
    Rules {
        failure_ratio: 1.0,
        minimum_calls: 2,
        slow_calls: None,
        open_for,
        probes: 1,
        probe_timeout: SECOND,
        max_retry_after: None,
    }
}

fn last_two_calls() -> Window {
    Window::Count(CountWindow::last(2).unwrap())
}

/// Whether the clock is read when one call is admitted and ends so.
fn reads_the_clock(machine: &mut Machine, outcome: Outcome) -> bool {
    let rules = rules(SECOND.into());
    let mut step = Step::new(&rules, Now::default());
    let ticket = machine.acquire(&mut step).unwrap();
    machine.record(ticket, outcome, &mut step);
    step.now.0.is_some()
}

#[test]
fn a_closed_circuit_with_a_count_window_reads_no_clock() {
    let mut machine = Machine::new(last_two_calls(), 0);
    for outcome in [Outcome::SUCCESS, Outcome::FAILURE, Outcome::SUCCESS, Outcome::FAILURE] {
        assert!(!reads_the_clock(&mut machine, outcome));
    }
    let rules = rules(SECOND.into());
    let mut step = Step::new(&rules, Now::default());
    machine.tally(&mut step);
    machine.observe_only(&mut step);
    machine.force_open(&mut step);
    assert_eq!(machine.acquire(&mut step), Err(Refusal { retry_after: None }));
    machine.force_closed(&mut step);
    assert_eq!(machine.acquire(&mut step), Ok(UNSEEN));
    machine.reset(&mut step);
    assert_eq!(step.now.0, None);
}

#[test]
fn to_open_reads_the_clock_and_so_does_a_time_window() {
    let mut opens = Machine::new(last_two_calls(), 0);
    assert!(!reads_the_clock(&mut opens, Outcome::FAILURE));
    assert!(reads_the_clock(&mut opens, Outcome::FAILURE));

    let window = Window::Time(Box::new(TimeWindow::last(SECOND, 10).unwrap()));
    assert!(reads_the_clock(&mut Machine::new(window, 0), Outcome::SUCCESS));
}

#[tokio::test(start_paused = true)]
async fn within_a_step_time_stands_still() {
    let mut now = Now::default();
    let first = now.get();
    tokio::time::advance(SECOND).await;
    assert_eq!(now.get(), first);
    assert_ne!(Now::default().get(), first);
}

/// The waits of a circuit whose probes all fail.
fn waits(open_for: Backoff, seed: u64) -> Vec<Duration> {
    let rules = rules(open_for);
    let at = |now: Instant| Step::new(&rules, now.into());
    let mut machine = Machine::new(last_two_calls(), seed);
    let mut now = Instant::now();
    let mut waits = Vec::new();
    for _ in 0..100 {
        // Two requests if it is closed, one probe later on.
        for _ in 0..if machine.state() == State::Closed { 2 } else { 1 } {
            let ticket = machine.acquire(&mut at(now)).unwrap();
            machine.record(ticket, Outcome::FAILURE, &mut at(now));
        }
        assert_eq!(machine.state(), State::Open);
        let wait = machine.refusal(&mut at(now)).map_or(Duration::ZERO, |refusal| refusal.retry_after.unwrap());
        waits.push(wait);
        now += wait;
    }
    waits
}

#[test]
fn the_same_seed_gives_the_same_waits_and_another_seed_others() {
    let growing = Backoff::exponential(SECOND).max(60 * SECOND).jitter(Jitter::Equal);
    assert_eq!(waits(growing, 1), waits(growing, 1));
    assert_ne!(waits(growing, 1), waits(growing, 2));
    for (index, wait) in waits(growing, 1).into_iter().enumerate() {
        let longest = 60.0_f64.min(f64::from(u32::try_from(index).unwrap()).exp2());
        assert!((longest / 2.0..=longest).contains(&wait.as_secs_f64()), "{index}: {wait:?}");
    }
}

#[test]
fn a_wait_is_never_zero_though_jitter_may_draw_it() {
    let nanosecond = Duration::from_nanos(1);
    let draws = Backoff::constant(nanosecond).jitter(Jitter::Full);
    assert_eq!(waits(draws, 0), [nanosecond; 100]);
}
