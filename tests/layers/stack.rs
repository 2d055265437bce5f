//! The stack: its numbers are checked against one another, its parts can be left out, replaced and shared.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower::{Layer as _, service_fn};
use windbreak::bulkhead::Semaphore;
use windbreak::circuit_breaker::{CircuitBuilder, State};
use windbreak::retry::RetryBudget;
use windbreak::rules::ErrorsOnly;
use windbreak::stack::StackBuilder;
use windbreak::{BulkheadLayer, Circuit, Error, Rejection, Stack};

use crate::support::{all_idempotent, millis, secs};

fn stack() -> StackBuilder<ErrorsOnly> {
    Stack::new("upstream", ErrorsOnly)
}

fn error(change: impl FnOnce(StackBuilder<ErrorsOnly>) -> StackBuilder<ErrorsOnly>) -> String {
    change(stack()).build().expect_err("it is not valid").to_string()
}

fn is_valid(change: impl FnOnce(StackBuilder<ErrorsOnly>) -> StackBuilder<ErrorsOnly>) -> bool {
    change(stack()).build().is_ok()
}

#[test]
fn what_contradicts_itself_is_explained() {
    assert_eq!(
        error(|stack| stack.total_timeout(secs(10)).attempt_timeout(secs(10))),
        "stack `upstream`: `attempt_timeout` is 10s; it must be below the total timeout of 10s, or there is no time for \
         a second attempt"
    );
    assert_eq!(
        error(|stack| stack.attempt_timeout(secs(1)).connect_timeout(secs(1))),
        "stack `upstream`: `attempt_timeout` is 1s; it must be above the connect timeout of 1s, which it would otherwise \
         hide"
    );
    assert_eq!(
        error(|stack| stack.attempt_timeout(secs(3)).circuit(|circuit| circuit.time_window(millis(5_999)))),
        "stack `upstream`: `time_window` is 5.999s; it must be at least 6s, twice the attempt timeout, or calls are \
         forgotten before others end"
    );
    assert_eq!(
        error(|stack| stack.attempt_timeout(secs(3)).circuit(|circuit| circuit.slow_calls(secs(3), 0.8))),
        "stack `upstream`: `slow_calls threshold` is 3s; it must be below the attempt timeout of 3s, or no call is ever \
         slow"
    );
    assert_eq!(
        error(|stack| stack.attempt_timeout(secs(3)).circuit(|circuit| circuit.probe_timeout(secs(2)))),
        "stack `upstream`: `probe_timeout` is 2s; it must be at least the attempt timeout of 3s, or a healthy probe can \
         fail"
    );
    assert_eq!(
        error(|stack| stack.total_timeout(Duration::ZERO)),
        "stack `upstream`: `total_timeout` is 0ns; it must be longer than zero"
    );
}

#[test]
fn a_part_that_is_not_valid_is_named_with_its_stack() {
    assert_eq!(error(|stack| stack.bulkhead(0)), "stack `upstream`: `limit` is 0; it must be from 1 to 2147483647");
    assert_eq!(
        error(|stack| stack.retry(|retry| retry.max_attempts(0))),
        "stack `upstream`: `max_attempts` is 0; it must be at least 1, the first attempt"
    );
}

/// Numbers that nobody set contradict no number that somebody set.
#[test]
fn each_default_holds_for_every_value_of_the_others() {
    for time in [millis(1), millis(999), secs(1), secs(9), secs(10), secs(11), secs(30), secs(3600), Duration::MAX] {
        assert!(is_valid(|stack| stack.total_timeout(time)), "{time:?}");
        assert!(is_valid(|stack| stack.attempt_timeout(time)), "{time:?}");
        assert!(is_valid(|stack| stack.connect_timeout(time)), "{time:?}");
        assert!(is_valid(|stack| stack.circuit(|circuit| circuit.time_window(time.max(secs(1))))), "{time:?}");
        assert!(is_valid(|stack| stack.circuit(|circuit| circuit.slow_calls(time, 0.5))), "{time:?}");
    }
    assert!(is_valid(|stack| stack.without_retry().total_timeout(secs(10)).attempt_timeout(secs(10))));
}

async fn waited(stack: &Stack<ErrorsOnly>) -> (Duration, Result<(), Error<()>>) {
    let start = Instant::now();
    let result = stack.call(std::future::pending::<Result<(), ()>>).await;
    (start.elapsed(), result)
}

#[tokio::test(start_paused = true)]
async fn a_hung_call_ends_at_the_attempt_timeout_and_is_not_repeated_unless_that_is_safe() {
    let (took, result) = waited(&stack().build().unwrap()).await;
    assert!(took == secs(10) && result.unwrap_err().is_timeout());
    // A short total timeout bounds the attempt too; a long attempt timeout makes the total longer.
    let (took, _) = waited(&stack().total_timeout(secs(2)).build().unwrap()).await;
    assert_eq!(took, secs(2));
    let (took, _) = waited(&stack().attempt_timeout(secs(60)).build().unwrap()).await;
    assert_eq!(took, secs(60));
}

#[tokio::test(start_paused = true)]
async fn a_closure_that_borrows_is_run_for_each_attempt() {
    let stack = Stack::new("ledger", all_idempotent::<()>()).build().unwrap();
    let attempts = Cell::new(0);
    let text = String::from("borrowed");
    let result = stack
        .call(|| async {
            attempts.set(attempts.get() + 1);
            if attempts.get() < 3 { Err("not yet") } else { Ok(text.as_str()) }
        })
        .await;
    assert_eq!((result, attempts.get()), (Ok("borrowed"), 3));
}

#[tokio::test(start_paused = true)]
async fn an_error_says_what_was_tried() {
    let stack = Stack::new("ledger", all_idempotent::<()>()).build().unwrap();
    let error = stack.call(|| async { Err::<(), _>("down") }).await.unwrap_err();
    assert_eq!(error.service(), Some(&"down"));
    let attempts = error.attempts().expect("there was more than one");
    assert_eq!((attempts.count(), attempts.reasons().collect::<Vec<_>>()), (3, vec!["_OTHER", "_OTHER"]));
}

#[tokio::test(start_paused = true)]
async fn a_burst_waits_in_the_queue_and_is_no_error() {
    let stack = stack().bulkhead(2).build().unwrap();
    let client = stack.layer(service_fn(|()| async {
        sleep(secs(1)).await;
        Ok::<_, ()>(())
    }));
    let mut calls: Vec<_> = (0..10).map(|_| tokio::spawn(client.run(()))).collect();
    tokio::task::yield_now().await;
    let semaphore = stack.semaphore().unwrap();
    assert_eq!((semaphore.in_flight(), semaphore.queued()), (2, 8));
    for call in &mut calls {
        assert_eq!(call.await.unwrap(), Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_bounded_by_the_total_timeout() {
    let stack = stack().bulkhead(1).total_timeout(secs(2)).build().unwrap();
    let client = stack.layer(service_fn(|()| std::future::pending::<Result<(), ()>>()));
    let held = tokio::spawn(client.run(()));
    tokio::task::yield_now().await;
    let start = Instant::now();
    let error = client.run(()).await.unwrap_err();
    assert_eq!(start.elapsed(), secs(2));
    assert!(error.is_timeout() || error.is_bulkhead_full());
    held.await.unwrap().unwrap_err();
    assert_eq!(stack.semaphore().unwrap().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn two_stacks_share_a_circuit_a_budget_and_a_bulkhead() {
    let circuit = Circuit::builder("payments").count_window(10).minimum_calls(2).build().unwrap();
    let budget = RetryBudget::new(0.1, 1).unwrap();
    let bulkhead = BulkheadLayer::new(7).unwrap();
    let with = |stack: StackBuilder<ErrorsOnly>| {
        stack.with_circuit(circuit.clone()).with_budget(budget.clone()).with_bulkhead(bulkhead.clone()).build().unwrap()
    };
    let (quick, slow) = (with(stack().attempt_timeout(secs(1))), with(stack().attempt_timeout(secs(9))));
    assert_eq!((quick.semaphore().unwrap().limit(), slow.semaphore().unwrap().limit()), (7, 7));
    for _ in 0..2 {
        quick.call(|| async { Err::<(), _>("down") }).await.unwrap_err();
    }
    let error = slow.call(|| async { Ok::<_, &str>(()) }).await.unwrap_err();
    assert!(error.is_circuit_open());
    assert!(matches!(error.rejection(), Some(Rejection::CircuitOpen { name, .. }) if **name == *"payments"));
}

#[tokio::test(start_paused = true)]
async fn what_is_left_out_does_nothing() {
    let bare = stack()
        .without_circuit()
        .without_bulkhead()
        .without_retry()
        .without_attempt_timeout()
        .without_total_timeout()
        .build()
        .unwrap();
    assert!(bare.circuit().is_none() && bare.semaphore().is_none());
    for _ in 0..1_000 {
        let error = bare.call(|| async { Err::<(), _>("down") }).await.unwrap_err();
        assert_eq!((error.service(), error.attempts()), (Some(&"down"), None));
    }
    let slow = bare.call(|| async {
        sleep(secs(100_000)).await;
        Ok::<_, ()>(())
    });
    assert_eq!(slow.await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn without_an_attempt_timeout_the_total_timeout_bounds_an_attempt() {
    let hang = async |stack: Stack<ErrorsOnly>| {
        let start = Instant::now();
        let error = stack.call(std::future::pending::<Result<(), &str>>).await.unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        start.elapsed().as_secs()
    };
    assert_eq!(hang(stack().without_attempt_timeout().build().unwrap()).await, 30);
    assert_eq!(hang(stack().without_attempt_timeout().total_timeout(secs(5)).build().unwrap()).await, 5);
    for circuit in [
        |circuit: CircuitBuilder| circuit.time_window(secs(1)),
        |circuit: CircuitBuilder| circuit.probe_timeout(secs(1)),
    ] {
        assert!(is_valid(|stack| stack.without_attempt_timeout().circuit(circuit)));
    }
}

/// An attempt may take longer than a probe may by default. A circuit that takes such a probe for failed never closes.
#[tokio::test(start_paused = true)]
async fn a_probe_may_take_as_long_as_an_attempt() {
    let long = |stack: StackBuilder<ErrorsOnly>| stack.without_retry().total_timeout(secs(1_000));
    for stack in [long(stack()).attempt_timeout(secs(60)), long(stack()).without_attempt_timeout()] {
        let stack = stack.build().unwrap();
        let circuit = stack.circuit().unwrap();
        circuit.force_open_for(secs(1));
        sleep(secs(1)).await;
        let probe = stack.call(|| async {
            sleep(secs(40)).await;
            Ok::<_, &str>(())
        });
        let (probe, ()) = tokio::join!(probe, async {
            sleep(secs(35)).await;
            // Whoever comes meanwhile has the time of the probe looked at, and would be the next one.
            let meanwhile = stack.call(|| async { Err::<(), _>("down") }).await;
            assert!(meanwhile.is_err_and(|error| error.is_circuit_open()));
        });
        assert_eq!((probe, circuit.state()), (Ok(()), State::Closed));
    }
}

#[tokio::test(start_paused = true)]
async fn of_what_is_set_twice_the_last_call_decides() {
    let given = || Circuit::builder("given").build().unwrap();
    let name =
        |stack: StackBuilder<ErrorsOnly>| stack.build().unwrap().circuit().map(|circuit| circuit.name().to_owned());
    let twice = |circuit: CircuitBuilder| circuit.probes(2);
    assert_eq!(name(stack().with_circuit(given()).circuit(twice)).as_deref(), Some("upstream"));
    assert_eq!(name(stack().without_circuit().circuit(twice)).as_deref(), Some("upstream"));
    assert_eq!(name(stack().circuit(twice).with_circuit(given())).as_deref(), Some("given"));
    assert_eq!(name(stack().circuit(twice).without_circuit()), None);
    assert_eq!(stack().without_bulkhead().bulkhead(3).build().unwrap().semaphore().map(Semaphore::limit), Some(3));
}

#[tokio::test(start_paused = true)]
async fn a_service_tells_of_its_parts_as_its_stack_does() {
    let stack = stack().build().unwrap();
    let mut service = stack.layer(service_fn(|()| async { Err::<(), _>("down") }));
    service.run(()).await.unwrap_err();
    assert_eq!(service.circuit().unwrap().snapshot().tally, stack.circuit().unwrap().snapshot().tally);
    stack.semaphore().unwrap().resize(7).unwrap();
    assert_eq!(service.semaphore().unwrap().limit(), 7);
    assert_eq!(service.budget().remaining(), stack.budget().remaining());
    assert!(std::ptr::eq(service.get_mut(), service.get_ref()));
    let bare = self::stack().without_circuit().without_bulkhead().build().unwrap().layer(service.into_inner());
    assert!(bare.circuit().is_none() && bare.semaphore().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stack_is_dead_only_when_hardly_anything_succeeds() {
    let stack = stack().without_retry().build().unwrap();
    let circuit = stack.circuit().unwrap();
    // Half of the calls fail, for as long as one likes.
    for n in 0..1_000_u32 {
        let _ = stack.call(|| async { if n % 2 == 0 { Ok(()) } else { Err("half") } }).await;
    }
    assert_eq!(circuit.state(), State::Closed);
    let mut calls = 0;
    while circuit.state() == State::Closed {
        calls += 1;
        sleep(millis(50)).await;
        let _ = stack.call(|| async { Err::<(), _>("dead") }).await;
    }
    assert!(calls <= 90, "{calls}");
}

#[test]
fn stacks_and_their_services_are_shareable() {
    fn shareable<T: Clone + Send + Sync + 'static>(_: &T) {}
    let stack = stack().build().unwrap();
    shareable(&stack);
    shareable(&stack.layer(service_fn(|()| std::future::ready(Ok::<_, ()>(())))));
}
