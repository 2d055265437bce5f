//! The word answers where it can. Where it does not, the machine is asked and says the same, only slower: from outside
//! that cannot be seen.

use super::super::rules::Rules;
use super::super::state::{Now, Step, UNSEEN, Window};
use super::*;
use crate::window::{CountWindow, Outcome, TimeWindow};

type Steps = fn(&mut Machine, &mut Step<'_>);

const SECOND: Duration = Duration::from_secs(1);
const NANOSECOND: Duration = Duration::from_nanos(1);
/// A machine starts with this ticket, and takes the next with each change of state.
const FIRST: Ticket = 1;

fn rules() -> Rules {
    Rules {
        failure_ratio: 1.0,
        minimum_calls: 2,
        slow_calls: None,
        open_for: SECOND.into(),
        probes: 2,
        probe_timeout: SECOND,
        max_retry_after: None,
    }
}

/// A machine whose window is of two calls, after some steps.
fn after(steps: impl FnOnce(&mut Machine, &mut Step<'_>)) -> Machine {
    let mut machine = Machine::new(Window::Count(CountWindow::last(2).unwrap()), 0);
    steps(&mut machine, &mut Step::new(&rules(), Now::default()));
    machine
}

fn word(machine: &Machine) -> Word {
    Word::of(machine, Instant::now())
}

fn succeed_twice(machine: &mut Machine, step: &mut Step<'_>) {
    let ticket = machine.acquire(step).unwrap();
    machine.record(ticket, Outcome::SUCCESS, step);
    machine.record(ticket, Outcome::SUCCESS, step);
}

#[tokio::test(start_paused = true)]
async fn it_says_the_state() {
    let states: [(State, Steps); 6] = [
        (State::Closed, |_, _| {}),
        (State::Open, |machine, step| machine.open_once(SECOND, step)),
        (State::HalfOpen, |machine, step| {
            machine.open_once(Duration::ZERO, step);
            machine.acquire(step).unwrap();
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
        // Of the others only a probe can still count, and which are probes the machine knows.
        assert_eq!(word.may_count(FIRST), matches!(state, State::Closed | State::HalfOpen), "{state}");
        assert_eq!(word.may_count(FIRST + 1), matches!(state, State::ObserveOnly | State::HalfOpen), "{state}");
        for ticket in [UNSEEN, FIRST, FIRST + 1, FIRST + 2] {
            assert!(!word.absorbs_success(ticket), "{state}: nothing was recorded");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_gives_the_ticket_that_the_machine_would_give() {
    for steps in [|_: &mut Machine, _: &mut Step<'_>| {}, Machine::observe_only, Machine::reset, succeed_twice] {
        let mut machine = after(steps);
        let ticket = word(&machine).pass();
        assert_eq!(ticket, machine.acquire(&mut Step::new(&rules(), Now::default())).ok());
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
        machine.record(FIRST, Outcome::FAILURE, step);
    });
    assert!(!word(&one_failed).absorbs_success(FIRST));

    // In a window of time each call counts.
    let mut machine = Machine::new(Window::Time(Box::new(TimeWindow::last(SECOND, 1).unwrap())), 0);
    succeed_twice(&mut machine, &mut Step::new(&rules(), Now::default()));
    assert!(!word(&machine).absorbs_success(FIRST));
}

#[tokio::test(start_paused = true)]
async fn it_refuses_while_open_and_says_for_how_long() {
    let origin = Instant::now();
    tokio::time::advance(7 * SECOND).await;
    let refusal = |machine: &Machine| Word::of(machine, origin).refusal(origin);
    let unknown = Some(Refusal { retry_after: None });

    let open = after(|machine, step| machine.open_once(SECOND, step));
    assert_eq!(refusal(&open), Some(Refusal { retry_after: Some(SECOND) }));
    tokio::time::advance(SECOND.saturating_sub(NANOSECOND)).await;
    assert_eq!(refusal(&open), Some(Refusal { retry_after: Some(NANOSECOND) }));
    tokio::time::advance(NANOSECOND).await;
    assert_eq!(refusal(&open), None, "the wait is over");

    // Beyond the clock, and beyond what fits the word: 73 years.
    for wait in [Duration::MAX, 100 * 365 * 24 * 60 * 60 * SECOND] {
        assert_eq!(refusal(&after(|machine, step| machine.open_once(wait, step))), unknown);
    }
    assert_eq!(refusal(&after(Machine::force_open)), unknown);
    for passes in [Machine::reset, Machine::observe_only, Machine::force_closed] {
        assert_eq!(refusal(&after(passes)), None);
    }
}
