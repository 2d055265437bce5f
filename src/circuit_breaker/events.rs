//! The `tracing` events of a circuit.

use super::state::State;
use super::step::Transition;

/// A transition as an event of the level, which has to be a constant.
macro_rules! changed {
    ($level:ident, $name:expr, $transition:expr, $cause:expr) => {
        tracing::$level!(
            name = $name,
            from = $transition.from.as_str(),
            to = $transition.to.as_str(),
            failure_ratio = $transition.tally.failure_ratio(),
            slow_ratio = $transition.tally.slow_ratio(),
            calls = $transition.tally.calls,
            cause = $cause,
            "circuit changed state"
        )
    };
}

#[cold]
pub(super) fn tell(name: &str, transition: &Transition, cause: Option<&str>) {
    if transition.to == State::Open {
        changed!(warn, name, transition, cause);
    } else {
        changed!(info, name, transition, None::<&str>);
    }
}
