//! What cannot be shown from outside: when the clock is read, chance with a known seed, and results that are late by so
//! little that the word in front of the machine lets them through. All else is in `tests/circuit_breaker` and
//! `tests/slow/circuit_reference.rs`.

use super::*;
use crate::backoff::{Backoff, Jitter};
use crate::circuit_breaker::settings::WindowKind;
use crate::circuit_breaker::step::Now;

const SECOND: Duration = Duration::from_secs(1);

fn settings(open_for: Backoff) -> Settings {
    Settings {
        window: WindowKind::Count(2),
        failure_ratio: 1.0,
        open_for,
        probes: 1,
        probe_timeout: Some(SECOND),
        ..Settings::default()
    }
}

fn machine(settings: Settings, seed: u64) -> Machine {
    Machine::new(Arc::new(settings), Tracker::new(settings.window).unwrap(), seed)
}

/// Whether the clock is read when one call is admitted and ends so.
fn reads_the_clock(machine: &mut Machine, outcome: Outcome) -> bool {
    let mut step = Step::default();
    let ticket = machine.acquire(&mut step).unwrap();
    machine.record(ticket, outcome, None, &mut step);
    step.now.0.is_some()
}

#[test]
fn a_closed_circuit_with_a_count_window_reads_no_clock() {
    let mut machine = machine(settings(SECOND.into()), 0);
    for outcome in [Outcome::SUCCESS, Outcome::FAILURE, Outcome::SUCCESS, Outcome::FAILURE] {
        assert!(!reads_the_clock(&mut machine, outcome));
    }
    let mut step = Step::default();
    machine.tally(&mut step);
    machine.observe_only(&mut step);
    machine.force_open(&mut step);
    assert_eq!(machine.acquire(&mut step), Err(Refusal::UNKNOWN));
    machine.force_closed(&mut step);
    assert_eq!(machine.acquire(&mut step), Ok(UNSEEN));
    machine.reset(&mut step);
    assert_eq!(step.now.0, None);
}

/// The state changes after the word was read, and before the lock is taken.
#[test]
fn a_result_that_the_word_let_through_is_dropped_if_the_state_has_changed_since() {
    let switches: [fn(&mut Machine, &mut Step); 2] = [Machine::reset, Machine::observe_only];
    for switch in switches {
        let (mut machine, mut step) = (machine(settings(SECOND.into()), 0), Step::default());
        let late = machine.acquire(&mut step).unwrap();
        switch(&mut machine, &mut step);
        machine.record(late, Outcome::FAILURE, None, &mut step);
        assert_eq!(machine.tally(&mut step), Tally::default());
        let current = machine.acquire(&mut step).unwrap();
        machine.record(current, Outcome::FAILURE, None, &mut step);
        assert_eq!(machine.tally(&mut step).failures, 1);
    }
}

#[test]
fn to_open_reads_the_clock_and_so_does_a_time_window() {
    let mut opens = machine(settings(SECOND.into()), 0);
    assert!(!reads_the_clock(&mut opens, Outcome::FAILURE));
    assert!(reads_the_clock(&mut opens, Outcome::FAILURE));

    let time = Settings { window: WindowKind::Time(SECOND, 10), ..settings(SECOND.into()) };
    assert!(reads_the_clock(&mut machine(time, 0), Outcome::SUCCESS));
}

#[test]
fn a_span_reads_the_clock_only_once_the_ratio_is_reached() {
    let mut machine = machine(Settings { minimum_span: SECOND, ..settings(SECOND.into()) }, 0);
    assert!(!reads_the_clock(&mut machine, Outcome::FAILURE));
    assert!(reads_the_clock(&mut machine, Outcome::FAILURE));
    assert!(!reads_the_clock(&mut machine, Outcome::SUCCESS));
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
    let mut machine = machine(settings(open_for), seed);
    let at = |now: Instant| Step::at(now.into());
    let mut now = Instant::now();
    let mut waits = Vec::new();
    for _ in 0..100 {
        // Two requests if it is closed, one probe later on.
        for _ in 0..if machine.state() == State::Closed { 2 } else { 1 } {
            let ticket = machine.acquire(&mut at(now)).unwrap();
            machine.record(ticket, Outcome::FAILURE, None, &mut at(now));
        }
        assert_eq!(machine.state(), State::Open);
        let wait = machine.refusal(&mut at(now)).map_or(Duration::ZERO, |refusal| refusal.retry_after().unwrap());
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
}

#[test]
fn no_open_wait_is_shorter_than_half() {
    for jitter in [Jitter::Full, Jitter::Equal, Jitter::Decorrelated] {
        let growing = Backoff::exponential(SECOND).max(60 * SECOND).jitter(jitter);
        for seed in 0..50 {
            let mut longest = SECOND;
            for wait in waits(growing, seed) {
                if jitter == Jitter::Decorrelated {
                    longest *= 3;
                }
                longest = longest.min(60 * SECOND);
                assert!((longest / 2..=longest).contains(&wait), "{jitter:?}, seed {seed}: {wait:?} of {longest:?}");
                longest = if jitter == Jitter::Decorrelated { wait } else { longest * 2 };
            }
        }
    }
}

#[test]
fn a_wait_is_never_zero_though_half_of_it_may_be() {
    let nanosecond = Duration::from_nanos(1);
    let draws = Backoff::constant(nanosecond).jitter(Jitter::Full);
    assert_eq!(waits(draws, 0), [nanosecond; 100]);
}

#[test]
fn the_share_that_is_admitted_grows_from_a_tenth_to_all() {
    let recovering = Settings { recover_over: Some(100 * SECOND), ..settings(SECOND.into()) };
    let mut machine = machine(recovering, 7);
    let start = Instant::now();
    let at = |seconds| Step::at((start + seconds * SECOND).into());
    machine.force_open_for(Duration::ZERO, &mut at(0));
    let probe = machine.acquire(&mut at(0)).unwrap();
    machine.record(probe, Outcome::SUCCESS, None, &mut at(0));
    assert_eq!(machine.state(), State::Recovering);

    for (seconds, share) in [(0, 0.1), (50, 0.55), (99, 0.991)] {
        let admitted = (0..10_000).filter(|_| machine.acquire(&mut at(seconds)).is_ok()).count();
        let admitted = f64::from(u32::try_from(admitted).unwrap()) / 10_000.0;
        assert!((admitted - share).abs() < 0.02, "{admitted} after {seconds} s");
    }
    assert!(machine.acquire(&mut at(100)).is_ok());
    assert_eq!(machine.state(), State::Closed);
}
