//! Who subscribes to a circuit sees its states.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Waker};

use super::*;

fn is_pending<F: Future>(future: Pin<&mut F>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_sees_every_change_it_waits_for() {
    let circuit = two_strikes().build().unwrap();
    let mut states = circuit.subscribe();
    assert_eq!(states.state(), State::Closed);
    assert!(is_pending(pin!(states.changed())));

    trip(&circuit);
    assert_eq!(states.changed().await, Some(State::Open));
    rejected(&circuit);
    advance(10 * SECOND).await;
    assert!(is_pending(pin!(states.changed())));
    let probe = admitted(&circuit);
    assert_eq!(states.changed().await, Some(State::HalfOpen));
    probe.record(Verdict::Success);
    assert_eq!(states.changed().await, Some(State::Closed));
    circuit.reset();
    assert!(is_pending(pin!(states.changed())), "closed as before");
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_looks_away_finds_the_latest_state() {
    let circuit = two_strikes().build().unwrap();
    let mut states = circuit.subscribe();
    trip_and_wait(&circuit).await;
    let probe = admitted(&circuit);
    assert_eq!(states.changed().await, Some(State::HalfOpen));
    assert!(is_pending(pin!(states.changed())));
    drop(probe);
    assert!(is_pending(pin!(states.changed())), "half-open as before");
}

#[tokio::test(start_paused = true)]
async fn subscribers_come_and_go_as_they_like() {
    let circuit = two_strikes().build().unwrap();
    let first = circuit.subscribe();
    trip(&circuit);
    let mut second = circuit.clone().subscribe();
    assert_eq!((first.state(), second.state()), (State::Open, State::Open));
    assert!(is_pending(pin!(second.changed())), "it was open when the second came");
    drop((first, second));

    circuit.force_closed();
    let mut third = circuit.subscribe();
    assert_eq!(third.state(), State::ForcedClosed);
    circuit.reset();
    drop(circuit);
    assert_eq!(third.changed().await, Some(State::Closed));
    assert_eq!(third.changed().await, None, "the circuit is gone");
}

#[tokio::test(start_paused = true)]
async fn the_first_subscriber_finds_the_state_as_it_is() {
    let circuit = two_strikes().build().unwrap();
    trip(&circuit);
    let mut states = circuit.subscribe();
    assert_eq!(states.state(), State::Open);
    assert!(is_pending(pin!(states.changed())));
}

#[tokio::test(start_paused = true)]
async fn the_circuit_can_be_switched_while_its_state_is_looked_at() {
    let circuit = two_strikes().build().unwrap();
    let states = circuit.subscribe();
    match states.state() {
        State::Closed => circuit.force_open(),
        other => panic!("{other}"),
    }
    assert_eq!(states.state(), State::ForcedOpen);
}
