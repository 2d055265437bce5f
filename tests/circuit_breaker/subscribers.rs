//! Who subscribes to a circuit sees its states.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_subscriber_sees_every_change_it_waits_for() {
    let circuit = two_strikes().build().unwrap();
    let mut states = circuit.subscribe();
    assert_eq!(*states.borrow(), State::Closed);
    assert!(!states.has_changed().unwrap());

    trip(&circuit);
    states.changed().await.unwrap();
    assert_eq!(*states.borrow_and_update(), State::Open);
    rejected(&circuit);
    advance(10 * SECOND).await;
    assert!(!states.has_changed().unwrap());
    let probe = admitted(&circuit);
    states.changed().await.unwrap();
    assert_eq!(*states.borrow_and_update(), State::HalfOpen);
    probe.record(Verdict::Success);
    states.changed().await.unwrap();
    assert_eq!(*states.borrow_and_update(), State::Closed);
    circuit.reset();
    assert!(!states.has_changed().unwrap(), "closed as before");
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_looks_away_finds_the_latest_state() {
    let circuit = two_strikes().build().unwrap();
    let mut states = circuit.subscribe();
    trip_and_wait(&circuit).await;
    let probe = admitted(&circuit);
    states.changed().await.unwrap();
    assert_eq!(*states.borrow_and_update(), State::HalfOpen);
    assert!(!states.has_changed().unwrap());
    drop(probe);
}

#[tokio::test(start_paused = true)]
async fn subscribers_come_and_go_as_they_like() {
    let circuit = two_strikes().build().unwrap();
    let first = circuit.subscribe();
    trip(&circuit);
    let second = circuit.clone().subscribe();
    assert_eq!((*first.borrow(), *second.borrow()), (State::Open, State::Open));
    assert!(!second.has_changed().unwrap(), "it was open when the second came");
    drop((first, second));

    circuit.force_closed();
    let mut third = circuit.subscribe();
    assert_eq!(*third.borrow(), State::ForcedClosed);
    circuit.reset();
    third.changed().await.unwrap();
    drop(circuit);
    assert_eq!(*third.borrow_and_update(), State::Closed);
    assert!(third.changed().await.is_err(), "the circuit is gone");
}

#[tokio::test(start_paused = true)]
async fn the_first_subscriber_finds_the_state_as_it_is() {
    let circuit = two_strikes().build().unwrap();
    trip(&circuit);
    let states = circuit.subscribe();
    assert_eq!(*states.borrow(), State::Open);
    assert!(!states.has_changed().unwrap());
}
