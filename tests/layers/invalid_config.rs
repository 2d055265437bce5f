//! A number out of its bounds is an error that names it; a duration is never too long.

use http::{Request, Response};
use std::convert::Infallible;
use std::fmt::Debug;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use windbreak::rules::{ErrorsOnly, rules_fn};

use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes, Frame};
use tokio::time::{Instant, Sleep, advance, sleep, timeout};
use tower::util::BoxCloneService;
use tower::{Layer, Service, ServiceExt, service_fn};
use windbreak::backoff::{Backoff, Jitter};
use windbreak::circuit_breaker::{CircuitBuilder, State};
use windbreak::retry::{RetryBudget, RetryPolicyBuilder};
use windbreak::window::{CountWindow, Outcome, TimeWindow};
use windbreak::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, Effect, Error, Failure, InvalidConfig, PerKeyLayer, RetryLayer,
    RetryPolicy, TimeoutLayer, Verdict,
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);
const NOT_RATIOS: [(f64, &str); 7] = [
    (0.0, "0.0"),
    (-0.5, "-0.5"),
    (1.1, "1.1"),
    (f64::NAN, "NaN"),
    (f64::INFINITY, "inf"),
    (f64::NEG_INFINITY, "-inf"),
    (-0.0, "-0.0"),
];
const RATIO: &str = "above 0 and at most 1";
const POSITIVE: &str = "longer than zero";

#[track_caller]
fn assert_names<T: Debug>(result: Result<T, InvalidConfig>, field: &str, value: &str, bound: &str) {
    let error = result.expect_err(field);
    assert_eq!((error.field(), error.value(), error.bound()), (field, value, bound));
    let subject = error.subject().map_or_else(String::new, |subject| format!("{subject}: "));
    assert_eq!(error.to_string(), format!("{subject}`{field}` is {value}; it must be {bound}"));
}

fn circuit() -> CircuitBuilder {
    Circuit::builder("upstream")
}

fn retry() -> RetryPolicyBuilder {
    RetryPolicy::builder()
}

#[test]
fn a_size_out_of_its_bounds_is_named() {
    let zero = "0";
    assert_names(CountWindow::last(0), "count_window", zero, "from 1 to 65536");
    assert_names(CountWindow::last(65_537), "count_window", "65537", "from 1 to 65536");
    assert_names(TimeWindow::last(SECOND, 0), "buckets", zero, "from 1 to 65536");
    assert_names(TimeWindow::last(SECOND, 65_537), "buckets", "65537", "from 1 to 65536");

    assert_names(circuit().count_window(0).build(), "count_window", zero, "from 1 to 65536");
    assert_names(
        circuit().count_window(usize::MAX).build(),
        "count_window",
        &usize::MAX.to_string(),
        "from 1 to 65536",
    );
    assert_names(circuit().time_window_with_buckets(SECOND, 0).build(), "buckets", zero, "from 1 to 65536");
    assert_names(circuit().probes(0).build(), "probes", zero, "from 1 to 1000");
    assert_names(circuit().probes(usize::MAX).build(), "probes", &usize::MAX.to_string(), "from 1 to 1000");
    let per_key = PerKeyLayer::new(0, |(): &()| (), |()| TimeoutLayer::new(SECOND));
    assert_names(per_key, "max_keys", zero, "at least 1");
    assert_names(retry().max_attempts(0).build(), "max_attempts", zero, "at least 1, the first attempt");

    let too_many = 1 << 31;
    assert_names(BulkheadLayer::new(0), "limit", zero, "from 1 to 2147483647");
    assert_names(BulkheadLayer::new(too_many), "limit", "2147483648", "from 1 to 2147483647");
    let places = BulkheadLayer::new(4).unwrap().semaphore().clone();
    assert_names(places.resize(0), "limit", zero, "from 1 to 2147483647");
    assert_names(places.resize(too_many), "limit", "2147483648", "from 1 to 2147483647");
    assert_eq!(places.limit(), 4, "what was refused changes nothing");
}

#[test]
fn a_minimum_that_is_never_reached_is_named() {
    assert_names(circuit().count_window(50).minimum_calls(51).build(), "minimum_calls", "51", "from 1 to 50");
    assert_names(circuit().minimum_calls(101).build(), "minimum_calls", "101", "from 1 to 100");
    assert_names(circuit().minimum_calls(0).build(), "minimum_calls", "0", "from 1 to 100");
    let over_time = circuit().time_window(SECOND).minimum_calls(0).build().unwrap_err();
    assert_eq!((over_time.field(), over_time.value()), ("minimum_calls", "0"));

    assert!(circuit().count_window(50).minimum_calls(50).build().is_ok());
    assert!(circuit().time_window(SECOND).minimum_calls(1_000_000).build().is_ok());
    assert!(circuit().count_window(1).build().is_ok(), "the default minimum fits a small window");
}

#[test]
fn a_ratio_that_is_none_is_named() {
    for (ratio, value) in NOT_RATIOS {
        assert_names(circuit().failure_ratio(ratio).build(), "failure_ratio", value, RATIO);
        assert_names(circuit().slow_calls(SECOND, ratio).build(), "slow_calls ratio", value, RATIO);
        assert_names(RetryBudget::new(ratio, 10), "budget ratio", value, RATIO);
    }
    for ratio in [f64::MIN_POSITIVE, 0.5, 1.0] {
        assert!(circuit().failure_ratio(ratio).slow_calls(SECOND, ratio).build().is_ok());
        assert!(RetryBudget::new(ratio, 0).is_ok());
    }
}

#[test]
fn a_duration_of_zero_is_named() {
    let zero = Duration::ZERO;
    assert_names(TimeWindow::last(zero, 10), "time_window", "0ns", "at least 1ns for each of the 10 buckets");
    let nine = Duration::from_nanos(9);
    assert_names(circuit().time_window(nine).build(), "time_window", "9ns", "at least 1ns for each of the 10 buckets");
    assert_names(circuit().slow_calls(zero, 0.5).build(), "slow_calls threshold", "0ns", POSITIVE);
    assert_names(circuit().open_for(zero).build(), "open_for", "0ns", POSITIVE);
    assert_names(circuit().probe_timeout(zero).build(), "probe_timeout", "0ns", POSITIVE);
    assert_names(circuit().abandoned_after(zero).build(), "abandoned_after", "0ns", POSITIVE);
    assert_names(circuit().recover_over(zero).build(), "recover_over", "0ns", POSITIVE);
    assert_names(retry().backoff(zero).build(), "backoff", "0ns", POSITIVE);
    assert_names(retry().max_elapsed(zero).build(), "max_elapsed", "0ns", POSITIVE);
}

/// Wherever a backoff is taken.
#[test]
fn a_backoff_that_contradicts_itself_is_named() {
    let check = |backoff: Backoff, field: &str, value: &str, bound: &str| {
        assert_names(backoff.delays(1), field, value, bound);
        assert_names(circuit().open_for(backoff).build(), field, value, bound);
        assert_names(retry().backoff(backoff).build(), field, value, bound);
    };
    let backoff = Backoff::exponential(SECOND);
    for (factor, value) in [(0.99, "0.99"), (0.0, "0.0"), (-2.0, "-2.0"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        check(backoff.factor(factor), "factor", value, "finite and at least 1");
    }
    check(backoff.max(SECOND / 2), "max", "500ms", "at least 1s, the first wait");
    check(backoff.max(Duration::ZERO), "max", "0ns", "at least 1s, the first wait");
    assert!(retry().backoff(backoff.factor(1.0).max(SECOND)).build().is_ok());
}

/// The longest that the clock can still count to, as it is now; the longest there is; and some that a timer cannot.
fn very_long() -> [Duration; 4] {
    let now = Instant::now();
    let mut counted = Duration::ZERO;
    for bit in (0..94).rev() {
        // 94 bits hold every duration in nanoseconds.
        let nanos = counted.as_nanos() + (1_u128 << bit);
        let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
        let subsecond = u32::try_from(nanos % 1_000_000_000).expect("below 10^9");
        let longer = Duration::new(seconds, subsecond);
        if now.checked_add(longer).is_some() {
            counted = longer;
        }
    }
    assert!(now.checked_add(counted + Duration::from_nanos(1)).is_none());
    [counted, Duration::MAX, counted / 2, Duration::from_secs(1_000 * 365 * 86_400)]
}

/// Over a service that responds after half a second.
async fn call_through<L>(layer: L) -> Result<&'static str, Error<&'static str>>
where
    L: Layer<BoxCloneService<(), &'static str, Error<&'static str>>>,
    L::Service: Service<(), Response = &'static str, Error = Error<&'static str>>,
{
    let slow = service_fn(|()| async {
        sleep(SECOND / 2).await;
        Ok("response")
    });
    // What would hang fails.
    timeout(HOUR, layer.layer(BoxCloneService::new(slow)).oneshot(())).await.expect("a response within the hour")
}

#[tokio::test(start_paused = true)]
async fn a_timeout_may_be_as_long_as_it_likes() {
    for long in very_long() {
        assert_eq!(call_through(TimeoutLayer::new(long)).await, Ok("response"), "{long:?}");
    }
}

/// Ends half a second after it is first read.
struct SlowBody(Option<Pin<Box<Sleep>>>);

impl Body for SlowBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let end = self.0.get_or_insert_with(|| Box::pin(sleep(SECOND / 2)));
        end.as_mut().poll(cx).map(|()| None)
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_of_a_body_may_be_as_long_as_it_likes() {
    for long in very_long() {
        let client = TimeoutLayer::new(long)
            .until_body_end()
            .layer(service_fn(|_: Request<()>| std::future::ready(Ok::<_, Error<()>>(Response::new(SlowBody(None))))));
        let body = client.oneshot(Request::new(())).await.unwrap().into_body();
        assert!(timeout(HOUR, body.collect()).await.unwrap().is_ok(), "{long:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_in_the_queue_may_be_as_long_as_it_likes() {
    for long in very_long() {
        let layer = BulkheadLayer::new(1).unwrap().max_wait(long);
        let (first, second) = tokio::join!(call_through(layer.clone()), call_through(layer));
        assert_eq!((first, second), (Ok("response"), Ok("response")), "{long:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_circuit_may_take_as_long_as_it_likes() {
    for long in very_long() {
        let circuits = [
            circuit().time_window(long),
            circuit().slow_calls(long, 0.5),
            circuit().probe_timeout(long),
            circuit().minimum_span(long),
            circuit().abandoned_after(long),
            circuit().recover_over(long),
            circuit().open_for(long),
            circuit().open_for(Backoff::exponential(long)),
            circuit().open_for(Backoff::exponential(SECOND).max(long).factor(f64::MAX).jitter(Jitter::None)),
        ];
        for builder in circuits {
            let circuit = builder.minimum_calls(2).build().unwrap();
            let layer = CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly);
            assert_eq!(call_through(layer.clone()).await, Ok("response"));
            assert_eq!(circuit.snapshot().tally.calls, 1);
            assert_eq!(circuit.state(), State::Closed);
            // Half-open, with a probe that succeeds and others that fail.
            circuit.force_open_for(SECOND);
            advance(SECOND).await;
            assert_eq!(call_through(layer.clone()).await, Ok("response"));
            assert_eq!(circuit.state(), State::HalfOpen);
            for _ in 0..3 {
                circuit.acquire().unwrap().record(Verdict::Failure(Failure::new(Effect::Unknown)));
            }
            assert_eq!(circuit.state(), State::Open);
            assert!(call_through(layer).await.unwrap_err().is_circuit_open());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_circuit_may_stay_open_as_long_as_it_likes() {
    for long in very_long() {
        let by_itself = circuit().open_for(long).count_window(1).build().unwrap();
        by_itself.acquire().unwrap().record(Verdict::Failure(Failure::new(Effect::Unknown)));
        let by_hand = circuit().build().unwrap();
        by_hand.force_open_for(long);
        for circuit in [by_itself, by_hand] {
            advance(HOUR).await;
            let error = call_through(CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly)).await.unwrap_err();
            assert!(error.is_circuit_open());
            // An open end, or an honest one.
            assert!(error.retry_after().is_none_or(|after| after <= long && after > SECOND));
            circuit.reset();
            assert_eq!(call_through(CircuitBreakerLayer::new(circuit, ErrorsOnly)).await, Ok("response"));
        }
    }
}

/// Fails once, with a `Retry-After` of `retry_after`. `None` if the response takes longer than an hour.
async fn retried(
    policy: RetryPolicyBuilder,
    retry_after: Option<Duration>,
) -> Option<Result<u32, Error<&'static str>>> {
    let failure = Failure::new(Effect::NotApplied);
    let failure = Verdict::Failure(retry_after.map_or(failure, |pause| failure.with_retry_after(pause)));
    let rules = rules_fn(
        move |result: Result<&u32, &Error<&'static str>>| {
            if result.is_ok() { Verdict::Success } else { failure }
        },
    );
    let policy = policy.max_attempts(2).build().expect("valid");
    let attempts = AtomicU32::new(0);
    let flaky = service_fn(|()| {
        let attempt = attempts.fetch_add(1, Ordering::Relaxed) + 1;
        std::future::ready(if attempt == 1 { Err(Error::Service("failure")) } else { Ok(attempt) })
    });
    timeout(HOUR, RetryLayer::new(policy, rules).layer(flaky).oneshot(())).await.ok()
}

#[tokio::test(start_paused = true)]
async fn a_bound_on_retries_may_be_as_long_as_it_likes() {
    for long in very_long() {
        let bounded = retry().backoff(SECOND).max_elapsed(long).max_retry_after(long);
        assert_eq!(retried(bounded.clone(), None).await, Some(Ok(2)), "{long:?}");
        assert_eq!(retried(bounded, Some(SECOND)).await, Some(Ok(2)), "{long:?}");
        let growing = Backoff::exponential(SECOND).max(long).factor(f64::MAX);
        assert_eq!(retried(retry().backoff(growing), None).await, Some(Ok(2)), "{long:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_may_be_as_long_as_it_likes() {
    for long in very_long() {
        assert!(retried(retry().backoff(long), None).await.is_none(), "{long:?}");
        let patient = retry().backoff(SECOND).max_retry_after(Duration::MAX);
        assert!(retried(patient.clone(), Some(long)).await.is_none(), "{long:?}");
        // Past a bound there is no pause at all.
        let failure = Some(Err(Error::Service("failure")));
        assert_eq!(retried(retry(), Some(long)).await, failure, "{long:?}");
        assert_eq!(retried(patient.max_elapsed(SECOND * 60), Some(long)).await, failure, "{long:?}");
        assert_eq!(retried(retry().backoff(long).max_elapsed(SECOND * 60), None).await, failure, "{long:?}");
    }
}

/// Also by a clock that has come as far.
#[test]
fn a_time_window_may_be_as_long_as_it_likes() {
    let start = Instant::now();
    for long in very_long() {
        for buckets in [1, 10, TimeWindow::MAX_BUCKETS] {
            let mut window = TimeWindow::last(long, buckets).unwrap();
            assert_eq!(window.record(Outcome::FAILURE, start).calls, 1);
            assert_eq!(window.record(Outcome::SUCCESS, start + HOUR).calls, 2);
            let later = start.checked_add(long / 2).unwrap_or(start + Duration::from_secs(7200));
            assert_eq!(window.tally(later).calls, 2, "{long:?}");
            if let Some(end) = start.checked_add(long) {
                assert_eq!(window.tally(end).failures, 0, "{long:?}");
            }
        }
    }
}
