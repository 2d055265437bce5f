//! Where the word is not enough the machine is asked, and says the same, only slower: that cannot be seen from outside.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::circuit_breaker::settings::{Settings, WindowKind};
use crate::circuit_breaker::step::Step;
use crate::circuit_breaker::ticket::UNSEEN;
use crate::circuit_breaker::tracker::Tracker;
use crate::window::Outcome;

type Steps = fn(&mut Machine, &mut Step);

const SECOND: Duration = Duration::from_secs(1);
const NANOSECOND: Duration = Duration::from_nanos(1);
/// A machine starts with this ticket, and takes the next with each change of state.
const FIRST: Ticket = 1;

/// A machine with a window of its own, after some steps.
fn with_window(window: WindowKind, steps: impl FnOnce(&mut Machine, &mut Step)) -> Machine {
    let settings = Settings {
        window,
        failure_ratio: 1.0,
        open_for: SECOND.into(),
        probes: 2,
        recover_over: Some(SECOND),
        ..Settings::default()
    };
    let mut machine = Machine::new(Arc::new(settings), Tracker::new(window).unwrap(), 0);
    steps(&mut machine, &mut Step::default());
    machine
}

fn after(steps: impl FnOnce(&mut Machine, &mut Step)) -> Machine {
    with_window(WindowKind::Count(2), steps)
}

fn word(machine: &Machine) -> Word {
    Word::of(machine, Instant::now())
}

fn succeed_twice(machine: &mut Machine, step: &mut Step) {
    let ticket = machine.acquire(step).unwrap();
    machine.record(ticket, Outcome::SUCCESS, None, step);
    machine.record(ticket, Outcome::SUCCESS, None, step);
}

#[tokio::test(start_paused = true)]
async fn it_says_the_state() {
    let states: [(State, Steps); 7] = [
        (State::Closed, |_, _| {}),
        (State::Open, |machine, step| machine.force_open_for(SECOND, step)),
        (State::HalfOpen, |machine, step| {
            machine.force_open_for(Duration::ZERO, step);
            machine.acquire(step).unwrap();
        }),
        (State::Recovering, |machine, step| {
            machine.force_open_for(Duration::ZERO, step);
            let probe = machine.acquire(step).unwrap();
            machine.record(probe, Outcome::SUCCESS, None, step);
        }),
        (State::ForcedOpen, Machine::force_open),
        (State::ForcedClosed, Machine::force_closed),
        (State::ObserveOnly, Machine::observe_only),
    ];
    for (state, steps) in states {
        let word = word(&after(steps));
        assert_eq!(word.state(), state);
        assert_eq!(word.is_half_open(), state == State::HalfOpen);
        let passes = matches!(state, State::Closed | State::ObserveOnly);
        assert_eq!(word.pass().is_some(), passes, "{state}");
        assert_eq!(word.may_count(FIRST), state == State::Closed, "{state}");
        assert_eq!(word.may_count(FIRST + 1), state == State::ObserveOnly, "{state}");
        // Which probes count the machine knows.
        assert_eq!(word.may_count(FIRST | PROBE), state == State::HalfOpen, "{state}");
        let readiness = match state {
            State::Open if word.refusal(Instant::now()).is_none() => Readiness::Ask,
            State::Open | State::ForcedOpen => Readiness::Reject,
            State::HalfOpen => Readiness::Unknown,
            _ => Readiness::Ask,
        };
        assert_eq!(word.readiness(), readiness, "{state}");
        for ticket in [UNSEEN, FIRST, FIRST + 1, FIRST + 2] {
            assert!(!word.absorbs_success(ticket), "{state}: nothing was recorded");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_gives_the_ticket_that_the_machine_would_give() {
    for steps in [|_: &mut Machine, _: &mut Step| {}, Machine::observe_only, Machine::reset, succeed_twice] {
        let mut machine = after(steps);
        let ticket = word(&machine).pass();
        assert_eq!(ticket, machine.acquire(&mut Step::default()).ok());
    }
}

#[tokio::test(start_paused = true)]
async fn it_absorbs_a_success_once_the_window_is_full_of_them_and_until_then_none() {
    let closed = word(&after(succeed_twice));
    assert!(closed.absorbs_success(FIRST));
    assert!(!closed.absorbs_success(FIRST + 1) && !closed.absorbs_success(UNSEEN));

    let observing = word(&after(|machine, step| {
        machine.observe_only(step);
        succeed_twice(machine, step);
    }));
    assert!(observing.absorbs_success(FIRST + 1));
    assert!(!observing.absorbs_success(FIRST));

    let one_failed = after(|machine, step| {
        succeed_twice(machine, step);
        machine.record(FIRST, Outcome::FAILURE, None, step);
    });
    assert!(!word(&one_failed).absorbs_success(FIRST));

    // In a window of time each call counts.
    let timed = with_window(WindowKind::Time(SECOND, 1), succeed_twice);
    assert!(!word(&timed).absorbs_success(FIRST));
}

#[tokio::test(start_paused = true)]
async fn it_refuses_while_open_and_says_for_how_long() {
    let origin = Instant::now();
    tokio::time::advance(7 * SECOND).await;
    let refusal = |machine: &Machine| Word::of(machine, origin).refusal(origin);
    let unknown = Some(Refusal::UNKNOWN);

    let open = after(|machine, step| machine.force_open_for(SECOND, step));
    assert_eq!(refusal(&open), Refusal::until(SECOND));
    tokio::time::advance(SECOND.saturating_sub(NANOSECOND)).await;
    assert_eq!(refusal(&open), Refusal::until(NANOSECOND));
    tokio::time::advance(NANOSECOND).await;
    assert_eq!(refusal(&open), None, "the wait is over");

    // Beyond the clock, and beyond what fits the word: 73 years.
    for wait in [Duration::MAX, 100 * 365 * 24 * 60 * 60 * SECOND] {
        assert_eq!(refusal(&after(|machine, step| machine.force_open_for(wait, step))), unknown);
    }
    assert_eq!(refusal(&after(Machine::force_open)), unknown);
    for passes in [Machine::reset, Machine::observe_only, Machine::force_closed] {
        assert_eq!(refusal(&after(passes)), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_known_to_be_over_lets_services_ask() {
    let origin = Instant::now();
    let mut machine = after(|machine, step| machine.force_open_for(SECOND, step));
    machine.note_due(&mut Step::default());
    assert_eq!(Word::of(&machine, origin).readiness(), Readiness::Reject, "too early");
    tokio::time::advance(SECOND).await;
    assert_eq!(Word::of(&machine, origin).readiness(), Readiness::Reject, "the word has no clock");
    machine.note_due(&mut Step::default());
    let word = Word::of(&machine, origin);
    assert_eq!((word.readiness(), word.refusal(origin), word.state()), (Readiness::Ask, None, State::Open));
}
