//! The standard stack: its numbers are checked against one another.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderName, Request, Response, StatusCode};
use tower::{Layer as _, ServiceBuilder, ServiceExt as _, service_fn};
use windbreak::Error;
use windbreak::http::{Http, HttpRules, Standard, StandardBuilder};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn error(change: impl FnOnce(StandardBuilder) -> StandardBuilder) -> String {
    change(Standard::builder("callee")).build().expect_err("it is not valid").to_string()
}

#[test]
fn the_defaults_agree_with_one_another() {
    let standard = Standard::builder("callee").build().unwrap();
    assert_eq!(standard.circuit().name(), "callee");
    assert_eq!(standard.semaphore().limit(), 64);
}

#[test]
fn what_contradicts_itself_is_explained() {
    assert_eq!(
        error(|standard| standard.attempt_timeout(seconds(10))),
        "`attempt_timeout` is 10s; it must be below the total timeout of 10s, or there is no time for a second attempt"
    );
    assert_eq!(
        error(|standard| standard.attempt_timeout(Duration::MAX)),
        format!(
            "`attempt_timeout` is {:?}; it must be a bound where there is more than one attempt, or the first may use \
             up all the time",
            Duration::MAX
        )
    );
    assert_eq!(
        error(|standard| standard.attempt_timeout(seconds(1))),
        "`attempt_timeout` is 1s; it must be above the connect timeout of 1s, which it would otherwise hide"
    );
    assert_eq!(
        error(|standard| standard.circuit(|circuit| circuit.time_window(Duration::from_millis(5_999)))),
        "`time_window` is 5.999s; it must be at least 6s, twice what an attempt may take"
    );
    assert_eq!(
        error(|standard| standard.total_timeout(Duration::ZERO)),
        "`total_timeout` is 0ns; it must be longer than zero"
    );
}

#[test]
fn a_part_that_is_not_valid_is_named() {
    assert_eq!(error(|standard| standard.max_in_flight(0)), "`limit` is 0; it must be from 1 to 2147483647");
    assert_eq!(
        error(|standard| standard.retry(|retry| retry.max_attempts(0))),
        "`max_attempts` is 0; it must be at least 1, the first attempt"
    );
    assert_eq!(
        error(|standard| standard.circuit(|circuit| circuit.probes(0))),
        "`probes` is 0; it must be from 1 to 16777216"
    );
}

#[test]
fn what_is_right_at_the_bound_is_accepted() {
    let build = |standard: StandardBuilder| standard.build().map(|_| ());
    let standard = || Standard::builder("callee");
    assert_eq!(build(standard().circuit(|circuit| circuit.time_window(seconds(6)))), Ok(()));
    assert_eq!(build(standard().circuit(|circuit| circuit.count_window(10))), Ok(()));
    assert_eq!(build(standard().attempt_timeout(Duration::from_millis(1_001))), Ok(()));
    let once = |standard: StandardBuilder| standard.retry(|retry| retry.max_attempts(1));
    assert_eq!(build(once(standard()).attempt_timeout(Duration::MAX)), Ok(()));
    assert_eq!(build(once(standard()).attempt_timeout(seconds(10)).total_timeout(seconds(10))), Ok(()));
}

/// Asks a teapot for coffee. Returns how often it was asked, and how many of these calls the circuit took for failures.
async fn asked(stack: &Standard<HttpRules>, request: Request<()>) -> (u64, u64) {
    let calls = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&calls);
    let teapot = service_fn(move |_: Request<()>| {
        count.fetch_add(1, Ordering::Relaxed);
        let response = Response::builder().status(StatusCode::IM_A_TEAPOT).body(String::new()).expect("a status");
        async move { Ok::<_, io::Error>(response) }
    });
    stack.circuit().reset();
    let client = stack.layer(ServiceBuilder::new().map_err(Error::Service).service(teapot));
    let response = client.oneshot(request).await.expect("teapots answer");
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    (calls.load(Ordering::Relaxed), stack.circuit().snapshot().tally.failures)
}

#[tokio::test(start_paused = true)]
async fn rules_of_ones_own_are_those_of_the_retries_and_of_the_circuit() {
    let token = HeaderName::from_static("x-token");
    let rules = Http::builder().retry_statuses([StatusCode::IM_A_TEAPOT]).idempotency_header(token.clone());
    let twice = Standard::builder("teapot").retry(|retry| retry.max_attempts(2)).rules(rules.clone());
    let two = Standard::builder("teapot").rules(rules).retry(|retry| retry.max_attempts(2));
    for stack in [twice.build().unwrap(), two.build().unwrap()] {
        let order = || Request::post("/coffee");
        assert_eq!(asked(&stack, order().body(()).unwrap()).await, (1, 1));
        assert_eq!(asked(&stack, order().header(&token, "mine").body(()).unwrap()).await, (2, 2));
    }
}
