//! The throttle, as its users see it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::sleep;
use tokio_test::{assert_pending, task};
use tower::{Service, ServiceBuilder, ServiceExt as _, service_fn};
use windbreak::rules::{ErrorsOnly, rules_fn};
use windbreak::throttle::{Throttle, ThrottleBuilder, ThrottleLayer};
use windbreak::{Effect, Error, Failure, Rejection, Verdict};

use crate::support::secs;

fn throttle() -> Throttle {
    Throttle::builder("upstream").seed(7).build().expect("valid")
}

/// An upstream that accepts `capacity` requests a second, and turns the others away. Returns, of each second of `load`
/// requests, how many were sent and how many were accepted.
async fn overloaded(throttle: &Throttle, load: u64, capacity: u64, seconds: u64) -> Vec<(u64, u64)> {
    let (sent, accepted) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut client = ServiceBuilder::new()
        .layer(ThrottleLayer::new(throttle.clone(), ErrorsOnly))
        .map_err(Error::Service)
        .service(service_fn(|()| {
            let place = sent.fetch_add(1, Ordering::Relaxed);
            let accepts = place < capacity;
            accepted.fetch_add(u64::from(accepts), Ordering::Relaxed);
            std::future::ready(if accepts { Ok(()) } else { Err("overloaded") })
        }));
    let mut figures = Vec::new();
    for _ in 0..seconds {
        for _ in 0..load {
            let _ = client.ready().await.expect("the test arranged it").call(()).await;
            sleep(secs(1) / u32::try_from(load).expect("the test arranged it")).await;
        }
        figures.push((sent.swap(0, Ordering::Relaxed), accepted.swap(0, Ordering::Relaxed)));
    }
    figures
}

#[tokio::test(start_paused = true)]
async fn it_sends_about_twice_what_an_overloaded_upstream_accepts_and_loses_none_of_it() {
    let throttle = throttle();
    let figures = overloaded(&throttle, 1_000, 100, 60).await;
    let (sent, accepted) = figures[40..].iter().fold((0, 0), |sum, next| (sum.0 + next.0, sum.1 + next.1));
    // The share is drawn at random: 5 % of it is more than ten standard deviations.
    assert!((3_800..=4_400).contains(&sent), "{sent} sent in 20 s");
    assert_eq!(accepted, 2_000, "all that the upstream accepts in 20 s");
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_accepts_half_or_more_loses_nothing() {
    let throttle = throttle();
    for (sent, accepted) in overloaded(&throttle, 100, 60, 30).await {
        assert_eq!((sent, accepted), (100, 60));
    }
    assert!(throttle.reject_ratio() < 1e-9);
}

#[tokio::test(start_paused = true)]
async fn it_is_back_within_two_windows_after_the_upstream_is() {
    let throttle = throttle();
    overloaded(&throttle, 100, 0, 20).await;
    assert!(throttle.reject_ratio() > 0.85);
    let figures = overloaded(&throttle, 100, 1_000, 30).await;
    assert!(figures[20..].iter().all(|(sent, _)| *sent == 100), "{figures:?}");
    let sent_at_first: u64 = figures[..10].iter().map(|(sent, _)| sent).sum();
    assert!(sent_at_first > 100, "gradually: {figures:?}");
}

#[tokio::test(start_paused = true)]
async fn each_verdict_counts_as_the_docs_say() {
    let (not_accepted, accepted) = ((1, 1), (1, 0));
    for (verdict, expected) in [
        (Verdict::Success, accepted),
        (Verdict::Declined, accepted),
        (Verdict::in_progress(None), accepted),
        (Verdict::Failure(Failure::new(Effect::NotApplied)), not_accepted),
        (Verdict::UNKNOWN, not_accepted),
        (Verdict::throttled(None), not_accepted),
        (Verdict::Ignored, (0, 0)),
    ] {
        let throttle = throttle();
        let rules = rules_fn(move |_: Result<&(), &Error<()>>| verdict);
        let client = ThrottleLayer::new(throttle.clone(), rules);
        let client = ServiceBuilder::new().layer(client).service(service_fn(|()| async { Ok::<_, Error<()>>(()) }));
        client.oneshot(()).await.unwrap();
        let tally = throttle.tally();
        assert_eq!((tally.calls, tally.failures), expected, "{verdict:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_cancelled_or_panics_counts_for_nothing() {
    let throttle = throttle();
    let layer = ThrottleLayer::new(throttle.clone(), ErrorsOnly);
    let hung = ServiceBuilder::new().layer(layer.clone()).service(service_fn(|()| std::future::pending()));
    let mut response = task::spawn(hung.oneshot(()));
    let _: std::task::Poll<Result<(), Error<()>>> = {
        let poll = response.poll();
        assert!(poll.is_pending());
        poll
    };
    drop(response);
    let panics = ServiceBuilder::new().layer(layer).service(service_fn(|()| async {
        if throttle.name() == "upstream" { panic!("on purpose") } else { Ok::<(), Error<()>>(()) }
    }));
    let response = std::panic::AssertUnwindSafe(panics.oneshot(()));
    assert!(
        std::panic::catch_unwind(|| {
            let mut response = task::spawn(Box::pin(response.0));
            let _ = response.poll();
        })
        .is_err()
    );
    assert_eq!(throttle.tally().calls, 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_start_is_no_overload() {
    let throttle = throttle();
    let client =
        ServiceBuilder::new().layer(ThrottleLayer::new(throttle.clone(), ErrorsOnly)).service(service_fn(|()| async {
            sleep(secs(5)).await;
            Ok::<_, Error<()>>(())
        }));
    let mut calls: Vec<_> = (0..500).map(|_| task::spawn(client.clone().oneshot(()))).collect();
    for call in &mut calls {
        assert_pending!(call.poll());
    }
    assert!(throttle.reject_ratio() < 1e-9);
}

#[tokio::test(start_paused = true)]
async fn its_rejection_names_it_and_was_not_sent() {
    let throttle = throttle();
    overloaded(&throttle, 100, 0, 5).await;
    let client = ServiceBuilder::new().layer(ThrottleLayer::new(throttle.clone(), ErrorsOnly));
    let client = client.service(service_fn(|()| async { Ok::<_, Error<()>>(()) }));
    let rejection = loop {
        if let Err(error) = client.clone().oneshot(()).await {
            break error.into_service().unwrap_err();
        }
    };
    assert_eq!(rejection, Rejection::throttled("upstream"));
    assert_eq!((rejection.effect(), Verdict::from(&rejection)), (Effect::NotApplied, Verdict::Ignored));
    throttle.reset();
    assert_eq!(throttle.tally().calls, 0);
    for _ in 0..100 {
        assert_eq!(client.clone().oneshot(()).await, Ok(()));
    }
}

#[test]
fn numbers_out_of_their_bounds_are_named() {
    type Change = fn(ThrottleBuilder) -> ThrottleBuilder;

    let error = |change: Change| change(Throttle::builder("search")).build().unwrap_err().to_string();
    let cases: [(&str, Change); 6] = [
        ("throttle `search`: `k` is 1.0; it must be finite and above 1", |b| b.k(1.0)),
        ("throttle `search`: `k` is NaN; it must be finite and above 1", |b| b.k(f64::NAN)),
        ("throttle `search`: `k` is inf; it must be finite and above 1", |b| b.k(f64::INFINITY)),
        ("throttle `search`: `max_reject_ratio` is 1.0; it must be below 1, so that some requests probe", |b| {
            b.max_reject_ratio(1.0)
        }),
        ("throttle `search`: `max_reject_ratio` is 0.0; it must be above 0 and at most 1", |b| b.max_reject_ratio(0.0)),
        ("throttle `search`: `time_window` is 9ns; it must be at least 1ns for each of the 10 buckets", |b| {
            b.window(Duration::from_nanos(9))
        }),
    ];
    for (message, change) in cases {
        assert_eq!(error(change), message);
    }
    assert!(Throttle::builder("search").window(Duration::MAX).minimum_calls(u64::MAX).build().is_ok());
}

/// Whether each of a hundred failing requests was sent.
async fn sent(throttle: Throttle) -> Vec<bool> {
    let layer = ThrottleLayer::new(throttle, ErrorsOnly);
    let client = ServiceBuilder::new()
        .layer(layer)
        .map_err(Error::Service)
        .service(service_fn(|()| std::future::ready(Err::<(), _>("overloaded"))));
    let mut sent = Vec::new();
    for _ in 0..100 {
        sent.push(client.clone().oneshot(()).await.is_err_and(|error| error.service().is_some()));
    }
    sent
}

#[tokio::test(start_paused = true)]
async fn a_sibling_has_the_same_numbers_and_counts_by_itself() {
    let throttle = Throttle::builder("any").minimum_calls(1).max_reject_ratio(0.5).build().unwrap();
    sent(throttle.clone()).await;
    let sibling = throttle.sibling("other");
    assert_eq!((sibling.name(), sibling.tally().calls, sibling.reject_ratio()), ("other", 0, 0.0));
    sent(sibling.clone()).await;
    assert_eq!((throttle.tally().calls, sibling.tally().calls, sibling.reject_ratio()), (100, 100, 0.5));
}

#[tokio::test(start_paused = true)]
async fn siblings_of_a_seeded_throttle_reject_the_same_each_time_and_not_the_same_as_each_other() {
    let draw = async || {
        let throttle = throttle();
        (sent(throttle.sibling("one")).await, sent(throttle.sibling("two")).await)
    };
    let (one, two) = draw().await;
    assert_ne!(one, two);
    assert_eq!(draw().await, (one, two));
}
