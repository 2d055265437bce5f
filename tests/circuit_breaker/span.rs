//! `minimum_span`: a burst of failures at one moment is not an outage.

use super::*;

/// Opens when five of ten calls failed, and have done so for a second.
fn spanning() -> CircuitBuilder {
    Circuit::builder("upstream").count_window(10).minimum_calls(5).minimum_span(SECOND).open_for(10 * SECOND)
}

#[tokio::test(start_paused = true)]
async fn a_burst_at_one_moment_does_not_open_it() {
    for builder in [spanning(), spanning().time_window(60 * SECOND)] {
        let circuit = builder.build().unwrap();
        for _ in 0..50 {
            fail(&circuit);
        }
        assert_eq!(circuit.state(), State::Closed);
        // The pool is empty now, and new connections work.
        for _ in 0..60 {
            advance(SECOND / 10).await;
            succeed(&circuit);
        }
        assert_eq!(circuit.state(), State::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn failures_that_go_on_open_it_exactly_when_the_span_is_over() {
    for (rest, state) in [(just_before(SECOND), State::Closed), (SECOND, State::Open)] {
        let circuit = spanning().build().unwrap();
        for _ in 0..4 {
            fail(&circuit);
        }
        advance(3 * SECOND).await;
        fail(&circuit);
        advance(rest).await;
        fail(&circuit);
        assert_eq!(circuit.state(), state, "the span begins when the ratio is first reached, with the fifth failure");
    }
}

#[tokio::test(start_paused = true)]
async fn a_success_never_ends_the_span() {
    let circuit = spanning().build().unwrap();
    for _ in 0..8 {
        fail(&circuit);
    }
    advance(2 * SECOND).await;
    succeed(&circuit);
    assert_eq!(circuit.state(), State::Closed, "8 of 9, but this one went well");
    fail(&circuit);
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn once_the_ratio_is_no_longer_reached_the_span_begins_anew() {
    let circuit = spanning().build().unwrap();
    for _ in 0..5 {
        fail(&circuit);
    }
    for _ in 0..6 {
        succeed(&circuit);
    }
    advance(5 * SECOND).await;
    for _ in 0..5 {
        fail(&circuit);
        assert_eq!(circuit.state(), State::Closed);
    }
    advance(SECOND).await;
    fail(&circuit);
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_may_end_the_span() {
    let circuit = spanning().slow_calls(SECOND, 0.5).build().unwrap();
    for _ in 0..5 {
        call_taking(&circuit, 2 * SECOND, Verdict::Success).await;
    }
    assert_eq!(circuit.state(), State::Closed);
    call_taking(&circuit, 2 * SECOND, Verdict::Success).await;
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn probes_are_judged_without_a_span() {
    let circuit = spanning().probes(1).build().unwrap();
    circuit.force_open_for(Duration::ZERO);
    fail(&circuit);
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn after_a_switch_the_span_begins_anew() {
    let circuit = spanning().build().unwrap();
    for _ in 0..5 {
        fail(&circuit);
    }
    circuit.reset();
    advance(5 * SECOND).await;
    for _ in 0..6 {
        fail(&circuit);
        assert_eq!(circuit.state(), State::Closed);
    }
}
