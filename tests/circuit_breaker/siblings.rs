//! Circuits that share their settings.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_sibling_has_the_same_settings_and_its_own_calls() {
    let circuit = two_strikes().slow_calls(SECOND, 1.0).build().unwrap();
    fail(&circuit);
    let sibling = circuit.sibling("other");
    assert_eq!((sibling.name(), sibling.state(), sibling.snapshot().tally), ("other", State::Closed, tally(0, 0, 0)));
    call_taking(&sibling, 2 * SECOND, Verdict::Success).await;
    assert_eq!(sibling.snapshot().tally, tally(1, 0, 1));
    fail(&sibling);
    fail(&sibling);
    assert_eq!(rejected(&sibling), Some(10 * SECOND));
    assert_eq!((circuit.state(), circuit.snapshot().tally), (State::Closed, tally(1, 1, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_sibling_keeps_its_settings_when_the_other_is_reconfigured() {
    let circuit = two_strikes().build().unwrap();
    let sibling = circuit.sibling("other");
    circuit.reconfigure(|settings| settings.open_for(SECOND)).unwrap();
    for (circuit, wait) in [(&circuit, 1), (&sibling, 10), (&circuit.sibling("third"), 1)] {
        trip(circuit);
        assert_eq!(rejected(circuit), Some(wait * SECOND));
    }
}
