//! A circuit counts calls whose bodies are slow, and the tests read its tally.

use std::time::Duration;

use windbreak::Circuit;
use windbreak::window::Tally;

pub(super) const SLOW: Duration = Duration::from_millis(500);

pub(super) fn circuit() -> Circuit {
    Circuit::builder("bodies").slow_calls(SLOW, 1.0).build().expect("the numbers are good")
}

pub(super) fn tally(circuit: &Circuit) -> (u64, u64, u64) {
    let Tally { calls, failures, slow, .. } = circuit.snapshot().tally;
    (calls, failures, slow)
}
