//! We differ on purpose in these points, and at these steps.
//!
//! | [`Difference`] | they | we, and why |
//! |---|---|---|
//! | `DecidesEarly` | wait for all probes | decide as soon as the missing ones cannot change the result: nobody is sent to an upstream that is known to be down, nobody is rejected by one that is known to be up |
//! | `OpenShowsItsCalls` | show nothing after opening by hand | have no such switch without a wait, so failures open it here; a snapshot then shows the calls that did |
//! | `EndsOnTheNextRequest` | end half-open by a timer, counted from its start | keep no timer: each probe has its own time, and that it is over shows when the next request comes; with no probe out there is nothing to end, and the next request is one |
//! | `RatioFromTheFirstCall` | show no rate below the minimum of calls | show it from the first call on; it is only not judged |
//! | `MinimumFitsTheWindow` | lower a minimum beyond the window silently | refuse to build the circuit |
//! | `RejectionsAreTheCallers` | count rejected calls | count none: each is an error in the caller's hand, as it is counted here |
//! | `EventsAreTransitions` | tell of each call, and while only observing that a rate is exceeded | tell of transitions: who records a call knows of it |
//! | `NoBan` | open at once on errors of a kind | leave that to the caller, who has `force_open_for` |
//! | `NoDurations` | keep the sum of durations | keep none: it decides nothing |
//! | `NoSplitOfSlow` | count slow failures and slow successes apart | count slow calls: the ratio is of all |
//!
//! Three more lie in how the steps are done here. At exactly the end of a wait they reject and we admit, as
//! `retry_after` promised: `to_half_open` goes there, to the nanosecond. Half-open begins with a request: that of
//! `to_half_open` is cancelled. They count results of an earlier time; here `to_open` leaves such calls behind, and
//! that they are dropped shows in the places that are then free. A call of so long really takes so long, so moments
//! shift; the time between steps does not. Changes of the wall clock have no step: there is none in here.

use std::collections::BTreeSet;

use windbreak::circuit_breaker::State;

use Difference::{DecidesEarly, EndsOnTheNextRequest, NoBan, OpenShowsItsCalls};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Difference {
    DecidesEarly,
    OpenShowsItsCalls,
    EndsOnTheNextRequest,
    RatioFromTheFirstCall,
    MinimumFitsTheWindow,
    RejectionsAreTheCallers,
    EventsAreTransitions,
    NoBan,
    NoDurations,
    NoSplitOfSlow,
}

/// What we do at a step at which they do something else.
pub(super) struct Ours {
    pub(super) scenario: &'static str,
    pub(super) step: usize,
    pub(super) why: Difference,
    pub(super) admits: Option<bool>,
    pub(super) state: State,
    pub(super) calls: u64,
    pub(super) failures: u64,
}

const fn ours(scenario: &'static str, step: usize, why: Difference, state: State, calls: u64, failures: u64) -> Ours {
    Ours { scenario, step, why, admits: None, state, calls, failures }
}

impl Ours {
    const fn rejecting(self) -> Self {
        Self { admits: Some(false), ..self }
    }
}

pub(super) const OURS: [Ours; 12] = [
    ours("A05", 0, OpenShowsItsCalls, State::Open, 5, 5),
    ours("A05", 3, OpenShowsItsCalls, State::Open, 5, 5).rejecting(),
    ours("A08", 0, OpenShowsItsCalls, State::Open, 5, 5),
    ours("A08", 3, OpenShowsItsCalls, State::Open, 5, 5).rejecting(),
    // Two failures of four probes are half of them. The other two are not sent.
    ours("A09", 6, DecidesEarly, State::Open, 2, 2).rejecting(),
    ours("A09", 8, DecidesEarly, State::Open, 2, 2).rejecting(),
    ours("A09", 9, DecidesEarly, State::Open, 2, 2),
    // With three successes of four probes the last one cannot make it a half. Later calls are ordinary ones.
    ours("A12", 7, DecidesEarly, State::Closed, 0, 0),
    ours("A12", 9, DecidesEarly, State::Closed, 0, 0),
    ours("A12", 11, DecidesEarly, State::Closed, 1, 1),
    ours("A21", 2, EndsOnTheNextRequest, State::HalfOpen, 0, 0),
    // A ban is a failure like any other.
    ours("A33", 1, NoBan, State::Closed, 1, 1),
];

/// The differences that were met.
pub(super) type Met = BTreeSet<Difference>;
