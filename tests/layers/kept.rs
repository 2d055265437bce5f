//! Services that are kept: from its second call on, a clone counts its calls for itself, and still shares all the rest.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::sleep;
use tokio_test::task;
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceExt, service_fn};
use windbreak::retry::RetryBudget;
use windbreak::rules::ErrorsOnly;
use windbreak::{BulkheadLayer, Circuit, CircuitBreakerLayer, HedgeLayer, RetryLayer, RetryPolicy};

use crate::support::{all_idempotent, millis};

type Error = windbreak::Error<usize>;

/// Hangs, where its clones fail, or not, with its number.
struct Numbered {
    number: usize,
    hangs: bool,
    fails: bool,
}

impl Clone for Numbered {
    fn clone(&self) -> Self {
        Self { hangs: false, ..*self }
    }
}

impl Service<()> for Numbered {
    type Response = usize;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<usize, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        let Self { number, hangs, fails } = *self;
        Box::pin(async move {
            sleep(if hangs { std::time::Duration::MAX } else { millis(1) }).await;
            if fails { Err(Error::Service(number)) } else { Ok(number) }
        })
    }
}

/// By whose number a call of `kept` ended, for each of several that were made before the wrapped service was changed, by a
/// clone that was moved to a task of its own, and after it.
async fn assert_changes_hold<S>(mut kept: S, change: impl Fn(&mut S, usize))
where
    S: Service<(), Response = usize, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    let number = |result: Result<usize, Error>| result.unwrap_or_else(|error| *error.service().expect("its own"));
    for after in 2..5 {
        let (first, second) = (kept.call(()), kept.call(()));
        change(&mut kept, after);
        let mut clone = kept.clone();
        let moved = tokio::spawn(async move { [clone.call(()).await, clone.call(()).await] });
        assert_eq!([number(first.await), number(second.await)], [after - 1; 2]);
        assert_eq!(moved.await.expect("it does not panic").map(number), [after; 2]);
        assert_eq!([number(kept.call(()).await), number(kept.call(()).await)], [after; 2]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_repeated_or_hedged_is_sent_by_the_wrapped_service_as_it_was_at_the_call() {
    let policy = RetryPolicy::builder().max_attempts(2).budget(RetryBudget::unlimited()).backoff(millis(10));
    let retry = RetryLayer::new(policy.build().unwrap(), all_idempotent());
    let retry = retry.layer(Numbered { number: 1, hangs: false, fails: true });
    assert_changes_hold(retry, |retry, number| retry.get_mut().number = number).await;

    let hedge = HedgeLayer::after(millis(10), all_idempotent()).budget(RetryBudget::unlimited());
    let hedge = hedge.layer(Numbered { number: 1, hangs: true, fails: false });
    assert_changes_hold(hedge, |hedge, number| hedge.get_mut().number = number).await;
}

/// Each with counts of its own by then.
#[tokio::test(start_paused = true)]
async fn clones_that_are_kept_see_what_is_switched_reconfigured_and_resized() {
    let circuit = Circuit::builder("kept").count_window(2).minimum_calls(2).build().unwrap();
    let (breaker, bulkhead) = (CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly), BulkheadLayer::new(9).unwrap());
    let upstream = service_fn(|fails: bool| std::future::ready(if fails { Err(Error::Service(0)) } else { Ok(()) }));
    let service = breaker.layer(bulkhead.layer(upstream));
    let mut kept = [service.clone(), service.clone(), service];
    let mut call = async |fails: [bool; 3]| {
        let mut results = Vec::new();
        for (service, fails) in kept.iter_mut().zip(fails) {
            results.push(service.ready().await.expect("it is ready").call(fails).await);
        }
        results
    };
    for _ in 0..3 {
        assert!(call([false; 3]).await.iter().all(Result::is_ok));
    }
    circuit.force_open();
    assert!(call([false; 3]).await.iter().all(|result| result.as_ref().unwrap_err().is_circuit_open()));
    circuit.reset();
    circuit.reconfigure(|circuit| circuit.count_window(3).minimum_calls(3).failure_ratio(1.0)).unwrap();
    // The third failure of the three is the one that opens it.
    assert!(call([true; 3]).await.iter().all(|result| result.as_ref().unwrap_err().service().is_some()));
    assert!(call([false; 3]).await.iter().all(|result| result.as_ref().unwrap_err().is_circuit_open()));
    circuit.reset();
    let mut hanging = bulkhead.layer(service_fn(|()| std::future::pending::<Result<(), Error>>()));
    let in_flight = hanging.ready().await.unwrap().call(());
    bulkhead.semaphore().resize(1).unwrap();
    assert!(call([false; 3]).await.iter().all(|result| result.as_ref().unwrap_err().is_bulkhead_full()));
    drop(in_flight);
    assert!(call([false; 3]).await.iter().all(Result::is_ok));
}

/// It cannot be given back without a clone, and these two layers take services that are not `Clone`.
#[tokio::test(start_paused = true)]
async fn what_the_inner_service_gave_a_rejected_one_is_there_for_its_next_call_and_goes_with_it() {
    let inner = ConcurrencyLimit::new(service_fn(|()| std::future::ready(Ok::<_, Error>(()))), 1);
    let is_free = || task::spawn(inner.clone().ready()).poll().is_ready();
    let circuit = Circuit::builder("kept").build().unwrap();
    let bulkhead = BulkheadLayer::new(1).unwrap();
    let mut full = bulkhead.layer(service_fn(|()| std::future::pending::<Result<(), Error>>()));
    let service = CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly).layer(bulkhead.layer(inner.clone()));
    for is_circuit in [true, false] {
        let mut kept = service.clone();
        kept.ready().await.unwrap();
        let in_flight = (!is_circuit).then(|| full.call(()));
        if is_circuit {
            circuit.force_open();
        }
        let rejection = kept.call(()).await.unwrap_err();
        assert_eq!((rejection.is_circuit_open(), rejection.is_bulkhead_full()), (is_circuit, !is_circuit));
        circuit.reset();
        drop(in_flight);
        assert!(!is_free());
        assert_eq!(kept.ready().await.unwrap().call(()).await, Ok(()));
        assert!(is_free());
        kept.ready().await.unwrap();
        assert!(!is_free());
        drop(kept);
        assert!(is_free());
    }
}
