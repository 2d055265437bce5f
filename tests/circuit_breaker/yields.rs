//! A rejection uses up some of the cooperative budget.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tower::{Layer, Service, ServiceExt, service_fn};
use windbreak::{CircuitBreakerLayer, Error};

use super::*;

#[tokio::test]
async fn a_loop_on_an_open_circuit_lets_other_tasks_run() {
    let circuit = two_strikes().build().unwrap();
    circuit.force_open();
    let mut service =
        CircuitBreakerLayer::new(circuit, ErrorsOnly).layer(service_fn(|()| async { Ok::<(), Error<()>>(()) }));
    let woken = Arc::new(AtomicU32::new(0));
    let other = tokio::spawn({
        let woken = Arc::clone(&woken);
        async move {
            for _ in 0..100 {
                tokio::task::yield_now().await;
                woken.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    // A task spends 128 units a turn.
    for _ in 0..128 * 102 {
        assert!(service.ready().await.unwrap().call(()).await.unwrap_err().is_circuit_open());
    }
    assert_eq!(woken.load(Ordering::Relaxed), 100);
    other.await.unwrap();
}

#[test]
fn outside_a_runtime_a_rejection_is_ready_at_once() {
    let circuit = two_strikes().build().unwrap();
    circuit.force_open();
    let mut service =
        CircuitBreakerLayer::new(circuit, ErrorsOnly).layer(service_fn(|()| async { Ok::<(), Error<()>>(()) }));
    for _ in 0..1_000 {
        let mut call = tokio_test::task::spawn(service.call(()));
        assert!(call.poll().is_ready());
    }
}
