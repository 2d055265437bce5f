//! `pending_while_open`: for those who stand under a load balancer.

use std::future::poll_fn;

use tokio::time::sleep;
use tokio_test::task::spawn;
use tower::{Layer, service_fn};
use tower_service::Service as _;
use windbreak::circuit_breaker::CircuitBreaker;
use windbreak::{CircuitBreakerLayer, Error};

use super::*;

/// The service, with what it wraps.
macro_rules! pending {
    ($circuit:expr) => {
        CircuitBreakerLayer::new($circuit.clone(), ErrorsOnly)
            .pending_while_open()
            .layer(service_fn(|()| async { Ok::<(), Error<()>>(()) }))
    };
}

/// Whether its task was woken and finds it ready now.
macro_rules! ready {
    ($task:expr) => {
        $task.enter(|cx, mut service| service.poll_ready(cx)).is_ready()
    };
}

#[tokio::test(start_paused = true)]
async fn it_is_pending_while_open_and_woken_when_the_wait_is_over() {
    let circuit = two_strikes().build().unwrap();
    let mut task = spawn(pending!(circuit));
    assert!(ready!(task));
    trip(&circuit);
    assert!(!ready!(task));
    advance(just_before(10 * SECOND)).await;
    assert!(!task.is_woken());
    // tokio's timers are good to a millisecond.
    advance(Duration::from_millis(2)).await;
    assert!(task.is_woken());
    assert!(ready!(task));
    assert_eq!(task.enter(|_, mut service| service.call(())).await, Ok(()));
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn every_switch_that_admits_requests_wakes_it() {
    let switches: [fn(&Circuit); 3] = [Circuit::reset, Circuit::force_closed, Circuit::observe_only];
    for open in [Circuit::force_open, |circuit: &Circuit| circuit.force_open_for(Duration::MAX)] {
        for switch in switches {
            let circuit = two_strikes().build().unwrap();
            open(&circuit);
            let mut task = spawn(pending!(circuit));
            assert!(!ready!(task));
            switch(&circuit);
            assert!(task.is_woken());
            assert!(ready!(task));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_leaves_its_place_wakes_it() {
    let circuit = two_strikes().build().unwrap();
    trip_and_wait(&circuit).await;
    let probe = admitted(&circuit);
    let mut task = spawn(pending!(circuit));
    assert!(!ready!(task));
    drop(probe);
    assert!(task.is_woken());
    assert!(ready!(task));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_hangs_does_not_keep_it_pending_for_ever() {
    let circuit = two_strikes().probe_timeout(3 * SECOND).build().unwrap();
    trip_and_wait(&circuit).await;
    let hung = admitted(&circuit);
    let mut task = spawn(pending!(circuit));
    assert!(!ready!(task));
    advance(3 * SECOND + Duration::from_millis(2)).await;
    assert!(task.is_woken());
    assert!(!ready!(task), "open again");
    assert_eq!(circuit.state(), State::Open);
    advance(10 * SECOND).await;
    assert!(task.is_woken());
    assert!(ready!(task));
    drop(hung);
}

#[tokio::test(start_paused = true)]
async fn an_open_wait_that_a_switch_shortens_wakes_it_at_its_new_end() {
    let circuit = two_strikes().build().unwrap();
    trip(&circuit);
    let mut task = spawn(pending!(circuit));
    assert!(!ready!(task));
    circuit.force_open_for(SECOND);
    assert!(task.is_woken());
    assert!(!ready!(task), "open for another second");
    advance(SECOND + Duration::from_millis(2)).await;
    assert!(task.is_woken());
    assert!(ready!(task));
}

/// At the very end of its time a probe has not failed yet, so there is nothing to ask for before the moment after it.
#[tokio::test(start_paused = true)]
async fn it_does_not_spin_at_the_very_end_of_a_probes_time() {
    let circuit = two_strikes().probe_timeout(3 * SECOND).build().unwrap();
    trip_and_wait(&circuit).await;
    // To an edge of tokio's timer: from here on it wakes exactly at whole seconds.
    sleep(Duration::from_millis(1)).await;
    let _hung = admitted(&circuit);
    let (mut service, mut polls) = (pending!(circuit), 0);
    let ready = poll_fn(|cx| {
        polls += 1;
        assert!(polls < 100, "it asks again and again");
        service.poll_ready(cx)
    });
    assert_eq!(ready.await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_opens_after_poll_ready_still_rejects() {
    let circuit = two_strikes().build().unwrap();
    let mut task = spawn(pending!(circuit));
    assert!(ready!(task));
    trip(&circuit);
    let result = task.enter(|_, mut service| service.call(())).await;
    assert!(result.unwrap_err().is_circuit_open());
}

#[tokio::test(start_paused = true)]
async fn a_waiting_service_may_be_sent_and_shared() {
    fn is<S: Send + Sync>(_: &CircuitBreaker<S, ErrorsOnly>) {}
    is(&pending!(two_strikes().build().unwrap()));
}
