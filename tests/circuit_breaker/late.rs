//! Answers to requests that were admitted before the last change of state: they count for nothing.

use super::*;

#[tokio::test(start_paused = true)]
async fn results_of_the_closed_circuit_do_not_count_for_its_probes() {
    let circuit = two_strikes().slow_calls(SECOND, 1.0).build().unwrap();
    let mut late: Vec<_> = (0..4).map(|_| admitted(&circuit)).collect();
    trip_and_wait(&circuit).await;
    let probe = admitted(&circuit);

    late.pop().unwrap().record(Verdict::Success);
    assert_eq!(circuit.state(), State::HalfOpen, "not closed");
    late.pop().unwrap().record(failure());
    assert_eq!(circuit.state(), State::HalfOpen, "not opened");
    drop(late.pop());
    assert_eq!(circuit.state(), State::HalfOpen, "nor by a call that was slow and cancelled");
    late.pop().unwrap().record(Verdict::Ignored);
    assert_eq!(rejected(&circuit), None, "and no place came free");
    assert_eq!(circuit.snapshot().tally, tally(0, 0, 0));

    probe.record(Verdict::Success);
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn results_that_come_while_it_is_open_change_nothing() {
    let circuit = two_strikes().build().unwrap();
    let late = [admitted(&circuit), admitted(&circuit), admitted(&circuit)];
    trip(&circuit);
    advance(4 * SECOND).await;
    for (permit, verdict) in late.into_iter().zip([Verdict::Success, failure(), Verdict::Ignored]) {
        permit.record(verdict);
        assert_eq!(circuit.snapshot().tally, tally(2, 2, 0));
        assert_eq!(rejected(&circuit), Some(6 * SECOND), "the wait is not prolonged");
    }
}

#[tokio::test(start_paused = true)]
async fn results_that_come_once_it_is_closed_again_are_dropped() {
    let circuit = two_strikes().build().unwrap();
    let late = [admitted(&circuit), admitted(&circuit), admitted(&circuit)];
    trip_and_wait(&circuit).await;
    succeed(&circuit);
    assert_eq!(circuit.state(), State::Closed);
    for permit in late {
        permit.record(failure());
        assert_eq!(circuit.snapshot(), two_strikes().build().unwrap().snapshot());
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_does_not_count_for_the_probes_of_a_later_time() {
    let circuit = two_strikes().failure_ratio(0.5).probes(2).build().unwrap();
    trip_and_wait(&circuit).await;
    let late = admitted(&circuit);
    fail(&circuit);
    advance(rejected(&circuit).unwrap()).await;
    let probe = admitted(&circuit);

    late.record(failure());
    assert_eq!(circuit.snapshot().tally, tally(0, 0, 0));
    probe.record(Verdict::Success);
    assert_eq!(circuit.snapshot().tally, tally(1, 0, 0));
    assert_eq!(circuit.state(), State::HalfOpen);
}

#[tokio::test(start_paused = true)]
async fn probes_that_were_not_waited_for_are_dropped() {
    let circuit = two_strikes().failure_ratio(0.5).probes(4).build().unwrap();
    trip_and_wait(&circuit).await;
    let late = admitted(&circuit);
    for _ in 0..3 {
        succeed(&circuit);
    }
    assert_eq!(circuit.state(), State::Closed);
    late.record(failure());
    assert_eq!(circuit.snapshot().tally, tally(0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn reset_makes_every_result_a_late_one() {
    let circuit = two_strikes().slow_calls(SECOND, 1.0).build().unwrap();
    let [success, failed, cancelled] = [admitted(&circuit), admitted(&circuit), admitted(&circuit)];
    circuit.reset();
    assert_eq!(circuit.state(), State::Closed, "as before, but a new beginning");
    advance(2 * SECOND).await;
    success.record(Verdict::Success);
    failed.record(failure());
    drop(cancelled);
    assert_eq!(circuit.snapshot().tally, tally(0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_full_window_of_successes_takes_no_result_of_an_earlier_time() {
    let circuit = two_strikes().build().unwrap();
    let late = admitted(&circuit);
    circuit.reset();
    succeed(&circuit);
    succeed(&circuit);
    late.record(failure());
    assert_eq!(circuit.snapshot().tally, tally(2, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_admitted_unseen_stays_unseen() {
    let circuit = two_strikes().slow_calls(SECOND, 1.0).build().unwrap();
    circuit.force_closed();
    let unseen = [admitted(&circuit), admitted(&circuit)];
    advance(2 * SECOND).await;
    circuit.reset();
    for permit in unseen {
        permit.record(failure());
    }
    assert_eq!(circuit.snapshot().tally, tally(0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn no_switch_lets_an_earlier_result_through() {
    let switches: [fn(&Circuit); 6] = [
        Circuit::force_open,
        Circuit::force_closed,
        Circuit::observe_only,
        Circuit::reset,
        |circuit| circuit.force_open_for(SECOND),
        |circuit| {
            circuit.observe_only();
            circuit.reset();
        },
    ];
    for switch in switches {
        let circuit = two_strikes().build().unwrap();
        let late = admitted(&circuit);
        switch(&circuit);
        let before = circuit.snapshot();
        late.record(failure());
        assert_eq!(circuit.snapshot(), before);
    }
}
