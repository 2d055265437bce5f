//! On the real clock: it has to go on within a call. Nothing is asserted of how fast it does.

use std::future::{Ready, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tower::{Layer as _, service_fn};

use super::*;
use crate::deadline::deadline;
use crate::timeout::TimeoutLayer;

const LIMIT: Duration = Duration::from_secs(3600);

/// Around an attempt that responds with its deadline.
fn attempt() -> impl Service<(), Response = Option<Instant>, Error = crate::Error<()>> {
    let respond = |()| -> Ready<Result<Option<Instant>, crate::Error<()>>> { ready(Ok(deadline())) };
    TimeoutLayer::new(LIMIT).for_an_attempt().layer(service_fn(respond))
}

/// What `within` does in a call of a stack whose total timeout is `total`.
fn in_a_call<T>(total: Duration, within: impl Fn() -> T) -> T {
    let mut result = None;
    let mut stack = TimeoutLayer::new(total).around_attempts().layer(service_fn(|()| {
        result = Some(within());
        ready(Ok::<(), crate::Error<()>>(()))
    }));
    drop(stack.call(()));
    result.expect("it was called")
}

/// The deadline of an attempt that is called now, and the earliest that it may be.
fn call_attempt() -> (Instant, Instant) {
    let now = Instant::now();
    let response = attempt().call(());
    let deadline = tokio_test::block_on(response).unwrap_or_default();
    (deadline.expect("there is one"), now + LIMIT)
}

/// Waits until the clock has gone on, by however little.
fn go_on() {
    let start = Instant::now();
    while Instant::now() == start {
        std::hint::spin_loop();
    }
}

#[test]
fn the_first_attempt_of_a_call_counts_from_that_call() {
    let (deadline, latest) = in_a_call(2 * LIMIT, || {
        let latest = Instant::now() + LIMIT;
        go_on();
        (call_attempt().0, latest)
    });
    assert!(deadline <= latest);
}

#[test]
fn any_other_attempt_counts_from_its_own_call() {
    let second = || {
        call_attempt();
        go_on();
        call_attempt()
    };
    let without_total = || {
        go_on();
        call_attempt()
    };
    let below = || {
        let mut outer = TimeoutLayer::new(Duration::MAX).for_an_attempt().layer(service_fn(|()| {
            go_on();
            ready(Ok::<_, crate::Error<()>>(call_attempt()))
        }));
        tokio_test::block_on(outer.call(())).expect("it responds")
    };
    let after_a_panic = || {
        let panics = catch_unwind(AssertUnwindSafe(|| in_a_call(2 * LIMIT, || panic!("on purpose"))));
        assert!(panics.is_err());
        go_on();
        call_attempt()
    };
    let after = || {
        in_a_call(2 * LIMIT, || ());
        go_on();
        call_attempt()
    };
    let calls = [
        ("the second one", in_a_call(2 * LIMIT, second)),
        ("without a total timeout", in_a_call(Duration::MAX, without_total)),
        ("of a stack below", in_a_call(2 * LIMIT, below)),
        ("after a panic", after_a_panic()),
        ("after the call", after()),
    ];
    for (which, (deadline, earliest)) in calls {
        assert!(deadline >= earliest, "{which}");
    }
}
