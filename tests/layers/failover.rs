//! A request moves to another provider when that is harmless, and only then.

use std::collections::HashMap;
use std::future::{pending, ready};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::{Instant, advance};
use tokio_test::{assert_pending, assert_ready, task};
use tower::util::BoxCloneService;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use windbreak::failover::{FailoverHandle, Provider};
use windbreak::http::Http;
use windbreak::rules::{ErrorsOnly, Idempotency, RulesFn, WithIdempotency, rules_fn};
use windbreak::{
    Circuit, CircuitBreakerLayer, Effect, Error, Failover, Failure, Rejection, RetryLayer, RetryPolicy, Verdict,
    Verified, VerifyLayer,
};

use crate::saga::events::listen;
use crate::support::{Log, Steered, millis, secs};

/// What a provider does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Succeeds,
    Declines,
    /// Says that it did nothing.
    Refuses,
    Throttles,
    IsAtWork,
    /// May have acted.
    Loses,
    Mistake,
    /// A layer rejects it before it is sent.
    Open(Option<Duration>),
    Full,
}

type Failed = Error<Fate>;
type Judge = fn(Result<&Fate, &Failed>) -> Verdict;
type Rules = WithIdempotency<RulesFn<Fate, Failed, Judge>, Idempotency, fn(&Idempotency) -> Idempotency>;
type Service_ = Failover<Rules, Idempotency, Fate, Failed>;

fn judge(result: Result<&Fate, &Failed>) -> Verdict {
    let fate = match result {
        Ok(fate) => fate,
        Err(error) => match error.rejection() {
            Some(rejection) => return rejection.into(),
            None => error.service().expect("the test arranged it"),
        },
    };
    match fate {
        Fate::Succeeds => Verdict::Success,
        Fate::Declines => Verdict::Declined,
        Fate::Refuses => Verdict::Failure(Failure::new(Effect::NotApplied)),
        Fate::Throttles => Verdict::throttled(None),
        Fate::IsAtWork => Verdict::in_progress(None),
        Fate::Loses => Verdict::UNKNOWN,
        Fate::Mistake | Fate::Open(_) | Fate::Full => Verdict::Ignored,
    }
}

/// A request is how harmful it is.
fn rules() -> Rules {
    rules_fn(judge as Judge).idempotent((|request| *request) as fn(&Idempotency) -> Idempotency)
}

fn answer(fate: Fate) -> Result<Fate, Failed> {
    match fate {
        Fate::Succeeds | Fate::Declines | Fate::Throttles => Ok(fate),
        Fate::Open(retry_after) => Err(Rejection::circuit_open("circuit", retry_after).into()),
        Fate::Full => Err(Rejection::bulkhead_full(1).into()),
        _ => Err(Error::Service(fate)),
    }
}

type Provided = BoxCloneService<Idempotency, Fate, Failed>;

/// Its calls are noted.
fn provider(fate: Fate, calls: &Log) -> Provided {
    let calls = calls.clone();
    BoxCloneService::new(service_fn(move |_| {
        calls.note();
        ready(answer(fate))
    }))
}

/// Providers `a`, `b`, .. of these fates, and how often each was called.
fn providers(fates: &[Fate]) -> (Service_, Vec<Log>) {
    let logs: Vec<_> = fates.iter().map(|_| Log::default()).collect();
    let mut builder = Failover::new("card", rules());
    for ((fate, log), name) in fates.iter().zip(&logs).zip(["a", "b", "c", "d"]) {
        builder = builder.to(name, provider(*fate, log));
    }
    (builder.build().expect("the test arranged it"), logs)
}

async fn send(fates: &[Fate], request: Idempotency) -> (Result<Fate, Failed>, Vec<usize>) {
    let (service, logs) = providers(fates);
    let result = service.oneshot(request).await;
    (result, logs.iter().map(Log::count).collect())
}

const ALL: [Idempotency; 4] =
    [Idempotency::Safe, Idempotency::Idempotent, Idempotency::Keyed, Idempotency::NotIdempotent];

#[tokio::test(start_paused = true)]
async fn what_succeeds_or_is_declined_never_moves_on() {
    for fate in [Fate::Succeeds, Fate::Declines] {
        for request in ALL {
            assert_eq!(send(&[fate, Fate::Succeeds], request).await, (Ok(fate), vec![1, 0]));
        }
    }
    for fate in [Fate::IsAtWork, Fate::Mistake] {
        for request in ALL {
            assert_eq!(send(&[fate, Fate::Succeeds], request).await, (Err(Error::Service(fate)), vec![1, 0]));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_did_nothing_moves_on_whatever_it_is() {
    for fate in [Fate::Refuses, Fate::Throttles, Fate::Open(None), Fate::Full] {
        for request in ALL {
            assert_eq!(send(&[fate, Fate::Succeeds], request).await, (Ok(Fate::Succeeds), vec![1, 1]), "{fate:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_effect_moves_on_only_if_the_request_changes_nothing() {
    for request in ALL {
        let (result, calls) = send(&[Fate::Loses, Fate::Succeeds], request).await;
        if request == Idempotency::Safe {
            assert_eq!((result, calls), (Ok(Fate::Succeeds), vec![1, 1]));
        } else {
            assert_eq!((result, calls), (Err(Error::Service(Fate::Loses)), vec![1, 0]));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_verified_as_not_applied_moves_on() {
    for (verified, calls) in [(Verified::NotApplied, [1, 1]), (Verified::Unknown, [1, 0])] {
        let (a, b) = (Log::default(), Log::default());
        let ask = move |_, _| ready(Ok::<_, std::io::Error>(verified));
        let verify = VerifyLayer::new(rules(), ask).layer(provider(Fate::Loses, &a));
        let service = Failover::new("card", rules()).to("a", verify).to("b", provider(Fate::Succeeds, &b));
        let result = service.build().unwrap().oneshot(Idempotency::Keyed).await;
        assert_eq!(result.is_ok(), calls[1] == 1);
        assert_eq!([a.count(), b.count()], calls);
    }
}

#[tokio::test(start_paused = true)]
async fn each_provider_is_asked_at_most_once_and_in_order() {
    let fates = [Fate::Refuses, Fate::Open(None), Fate::Throttles, Fate::Refuses];
    let (result, calls) = send(&fates, Idempotency::Safe).await;
    let error = result.unwrap_err();
    assert_eq!(error, Error::Service(Fate::Refuses));
    assert_eq!(calls, [1, 1, 1, 1]);
    assert_eq!(error.attempts().unwrap().count(), 3, "of one the circuit was open");
}

#[tokio::test(start_paused = true)]
async fn all_that_reject_are_unavailable_until_the_first_is_back() {
    let fates = [Fate::Open(Some(secs(9))), Fate::Full, Fate::Open(Some(secs(4))), Fate::Open(None)];
    for request in ALL {
        let (result, calls) = send(&fates, request).await;
        let error = result.unwrap_err();
        assert_eq!(error.rejection(), Some(&Rejection::all_unavailable("card", Some(secs(4)))));
        assert_eq!(calls, [1, 1, 1, 1]);
        let said: Vec<_> = error.attempts().unwrap().providers().collect();
        let open = "circuit_open";
        assert_eq!(said, [("a", open), ("b", "bulkhead_full"), ("c", open), ("d", open)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_later_rejection_does_not_hide_what_was_sent() {
    let (result, _) = send(&[Fate::Loses, Fate::Refuses, Fate::Open(None)], Idempotency::Safe).await;
    let error = result.unwrap_err();
    assert_eq!(error.service(), Some(&Fate::Refuses));
    let said: Vec<_> = error.attempts().unwrap().providers().collect();
    assert_eq!(said, [("a", "_OTHER"), ("b", "_OTHER"), ("c", "circuit_open")]);
    assert_eq!(error.attempts().unwrap().count(), 2, "two of them were sent the request");

    let (result, _) = send(&[Fate::Throttles, Fate::Full], Idempotency::Keyed).await;
    assert_eq!(result, Ok(Fate::Throttles));
}

#[tokio::test(start_paused = true)]
async fn an_error_says_what_was_tried_at_its_provider_as_well() {
    let policy = RetryPolicy::builder().max_attempts(3).build().unwrap();
    let calls = Log::default();
    let b = RetryLayer::new(policy, rules()).layer(provider(Fate::Refuses, &calls));
    let service = Failover::new("card", rules()).to("a", provider(Fate::Full, &calls)).to("b", b).build().unwrap();
    let error = service.oneshot(Idempotency::Keyed).await.unwrap_err();
    let attempts = error.attempts().unwrap();
    assert_eq!((attempts.count(), attempts.providers().len(), calls.count()), (3, 2, 4));
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_copy_stays() {
    let calls = [Log::default(), Log::default()];
    let rules = rules().copy_with(|_: &Idempotency| None);
    let [a, b] = [provider(Fate::Full, &calls[0]), provider(Fate::Succeeds, &calls[1])];
    let service = Failover::new("card", rules).to("a", a).to("b", b).build().unwrap();
    let error = service.oneshot(Idempotency::Safe).await.unwrap_err();
    assert!(error.is_bulkhead_full());
    assert_eq!(calls[1].count(), 0);
}

/// A request that counts its copies.
struct Counted(Log);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.note();
        Self(self.0.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_made_only_while_there_is_another_provider() {
    let down = || service_fn(|_: Counted| ready(Err::<(), Error<()>>(Rejection::bulkhead_full(1).into())));
    for copies in 0..4 {
        let mut again = Failover::new("card", ErrorsOnly);
        for name in 0..=copies {
            again = again.to(format!("{name}"), down());
        }
        let count = Log::default();
        assert!(again.build().unwrap().oneshot(Counted(count.clone())).await.is_err());
        assert_eq!(count.count(), copies);
    }
}

#[tokio::test(start_paused = true)]
async fn the_way_back_is_the_primarys_own_probe() {
    let is_down = Arc::new(AtomicBool::new(true));
    let calls = [Log::default(), Log::default()];
    let (down, seen) = (Arc::clone(&is_down), calls[0].clone());
    let circuit = Circuit::builder("a").minimum_calls(1).count_window(1).probes(1).open_for(secs(5));
    let a = ServiceBuilder::new().layer(CircuitBreakerLayer::new(circuit.build().unwrap(), rules())).service(
        service_fn(move |_: Idempotency| {
            seen.note();
            ready(answer(if down.load(Ordering::Relaxed) { Fate::Refuses } else { Fate::Succeeds }))
        }),
    );
    let service = Failover::new("card", rules()).to("a", a).to("b", provider(Fate::Succeeds, &calls[1]));
    let service = service.build().unwrap();
    let send = || service.clone().oneshot(Idempotency::Keyed);
    let counts = || [calls[0].count(), calls[1].count()];

    for _ in 0..3 {
        assert_eq!(send().await, Ok(Fate::Succeeds));
    }
    assert_eq!(counts(), [1, 3], "the open circuit costs the primary nothing");
    is_down.store(false, Ordering::Relaxed);
    assert_eq!(send().await, Ok(Fate::Succeeds));
    assert_eq!(counts(), [1, 4]);
    advance(secs(30)).await;
    assert_eq!(send().await, Ok(Fate::Succeeds));
    assert_eq!(send().await, Ok(Fate::Succeeds));
    assert_eq!(counts(), [3, 4]);
}

/// A service that notes when it is asked whether it is ready, and what it says then.
fn steered(asked: &Log, readiness: impl Fn() -> Poll<Result<(), Failed>> + Clone + Send + 'static) -> Provided {
    let asked = asked.clone();
    BoxCloneService::new(Steered {
        poll_ready: move |_: &mut std::task::Context<'_>| {
            asked.note();
            readiness()
        },
        call: |_| ready(answer(Fate::Succeeds)),
    })
}

#[tokio::test(start_paused = true)]
async fn a_provider_is_polled_ready_only_when_it_is_needed() {
    let asked = Log::default();
    let b = steered(&asked, || Poll::Ready(Ok(())));
    for (fate, times) in [(Fate::Succeeds, 0), (Fate::Refuses, 1)] {
        let a = provider(fate, &Log::default());
        let service = Failover::new("card", rules()).to("a", a).to("b", b.clone()).build().unwrap();
        assert_eq!(service.oneshot(Idempotency::Keyed).await, Ok(Fate::Succeeds));
        assert_eq!(asked.count(), times);
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_does_not_become_ready_is_one_that_was_not_sent_to() {
    let asked = Log::default();
    let broken = steered(&asked, || Poll::Ready(Err(Error::Service(Fate::Loses))));
    let calls = Log::default();
    let mut service = Failover::new("card", rules())
        .to("a", broken.clone())
        .to("b", broken.clone())
        .to("c", provider(Fate::Succeeds, &calls))
        .build()
        .unwrap();
    for times in 1..=2 {
        assert_eq!(service.ready().await.unwrap().call(Idempotency::Keyed).await, Ok(Fate::Succeeds));
        assert_eq!((calls.count(), asked.count()), (times, 2 * times));
    }

    let alone = Failover::new("card", rules()).to("a", broken).build().unwrap();
    let error = alone.oneshot(Idempotency::Keyed).await.unwrap_err();
    assert_eq!(error.service(), Some(&Fate::Loses), "what is broken is not merely unavailable");
}

#[tokio::test(start_paused = true)]
async fn it_is_pending_while_the_first_provider_is() {
    let asked = Log::default();
    let a = steered(&asked, || Poll::Pending);
    let service = Failover::new("card", rules()).to("a", a).to("b", provider(Fate::Succeeds, &Log::default()));
    let mut service = service.build().unwrap();
    assert_pending!(task::spawn(service.ready()).poll());
    service.handle().prefer("b", "ops").unwrap();
    assert!(assert_ready!(task::spawn(service.ready()).poll()).is_ok());
    assert_eq!(service.call(Idempotency::Keyed).await, Ok(Fate::Succeeds));
    assert_eq!(asked.count(), 1);
}

// By hand.

/// Three providers that succeed, and who gets the next request.
fn three() -> (Service_, FailoverHandle, impl AsyncFn(&Service_) -> &'static str) {
    let (service, logs) = providers(&[Fate::Succeeds; 3]);
    let handle = service.handle();
    let next = async move |service: &Service_| {
        let before: Vec<_> = logs.iter().map(Log::count).collect();
        service.clone().oneshot(Idempotency::Keyed).await.expect("the test arranged it");
        let at = logs.iter().zip(before).position(|(log, before)| log.count() > before).expect("the test arranged it");
        ["a", "b", "c"][at]
    };
    (service, handle, next)
}

#[tokio::test(start_paused = true)]
async fn the_preferred_provider_comes_first() {
    let (service, handle, next) = three();
    handle.prefer("c", "ops").unwrap();
    assert_eq!(next(&service).await, "c");
    handle.exclude("c", "ops").unwrap();
    assert_eq!(next(&service).await, "a");
    handle.exclude("a", "ops").unwrap();
    assert_eq!(next(&service).await, "b");
    handle.restore("c", "ops").unwrap();
    assert_eq!(next(&service).await, "c");
    handle.prefer("a", "ops").unwrap();
    handle.restore("a", "ops").unwrap();
    assert_eq!(next(&service).await, "a");
}

#[tokio::test(start_paused = true)]
async fn excluding_all_falls_back_to_the_first() {
    let (service, handle, next) = three();
    for name in ["a", "b", "c"] {
        handle.exclude(name, "ops").unwrap();
    }
    assert_eq!(next(&service).await, "a");
    assert_eq!(handle.status().first.as_deref(), Some("a"));
    handle.prefer("b", "ops").unwrap();
    assert_eq!(next(&service).await, "b");

    let (service, logs) = providers(&[Fate::Full, Fate::Succeeds]);
    for name in ["a", "b"] {
        service.handle().exclude(name, "ops").unwrap();
    }
    assert!(service.oneshot(Idempotency::Safe).await.is_err());
    assert_eq!(logs[1].count(), 0, "the first, and no other");
}

#[tokio::test(start_paused = true)]
async fn excluding_all_rejects_if_it_is_told_so() {
    let log = Log::default();
    let service = Failover::new("card", rules()).to("a", provider(Fate::Succeeds, &log)).reject_when_all_excluded();
    let service = service.build().unwrap();
    service.handle().exclude("a", "ops").unwrap();
    assert_eq!(service.handle().status().first, None);
    let error = service.clone().oneshot(Idempotency::Keyed).await.unwrap_err();
    assert_eq!(error.rejection(), Some(&Rejection::all_unavailable("card", None)));
    assert_eq!(log.count(), 0);
    service.handle().restore("a", "ops").unwrap();
    assert_eq!(service.oneshot(Idempotency::Keyed).await, Ok(Fate::Succeeds));
}

#[tokio::test(start_paused = true)]
async fn by_hand_it_does_not_move() {
    let (service, logs) = providers(&[Fate::Open(Some(secs(3))), Fate::Succeeds]);
    service.handle().manual("ops");
    let error = service.clone().oneshot(Idempotency::Safe).await.unwrap_err();
    assert_eq!(error.rejection(), Some(&Rejection::all_unavailable("card", Some(secs(3)))));
    assert_eq!(logs[1].count(), 0);
    service.handle().automatic("ops");
    assert_eq!(service.oneshot(Idempotency::Safe).await, Ok(Fate::Succeeds));
}

#[tokio::test(start_paused = true)]
async fn a_switch_takes_effect_for_requests_that_start_after_it() {
    let (a, b) = (Log::default(), Log::default());
    let (reply, hold) = tokio::sync::oneshot::channel::<()>();
    let hold = Arc::new(Mutex::new(Some(hold)));
    let seen = a.clone();
    let refuses_later = service_fn(move |_: Idempotency| {
        seen.note();
        let hold = hold.lock().unwrap().take().unwrap();
        async move {
            let _ = hold.await;
            answer(Fate::Refuses)
        }
    });
    let service = Failover::new("card", rules()).to("a", refuses_later).to("b", provider(Fate::Succeeds, &b));
    let mut service = service.build().unwrap();
    let handle = service.handle();

    let mut under_way = task::spawn(service.ready().await.unwrap().call(Idempotency::Keyed));
    assert_pending!(under_way.poll());
    let ready = service.clone();
    handle.exclude("b", "ops").unwrap();
    handle.manual("ops");
    reply.send(()).unwrap();
    assert_eq!(assert_ready!(under_way.poll()), Ok(Fate::Succeeds), "as the switches stood when it started");

    // Polled ready for `a`, and called after the switch.
    handle.restore("b", "ops").unwrap();
    let mut service = ready;
    service.ready().await.unwrap();
    handle.prefer("b", "ops").unwrap();
    assert_eq!(service.call(Idempotency::Keyed).await, Ok(Fate::Succeeds));
    assert_eq!((a.count(), b.count()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn the_status_says_who_threw_what_and_when() {
    let (service, logs) = providers(&[Fate::Refuses, Fate::Succeeds]);
    let handle = service.handle();
    let status = handle.status();
    assert_eq!((&*status.name, status.first.as_deref()), ("card", Some("a")));
    assert_eq!((status.manual, status.preferred), (None, None));
    assert!(status.providers[0].is_preferred && !status.providers[1].is_preferred);

    advance(millis(1)).await;
    let begin = Instant::now();
    handle.prefer("b", "alice").unwrap();
    handle.exclude("a", "bob").unwrap();
    handle.manual("carol");
    let status = handle.status();
    let (manual, preferred) = (status.manual.unwrap(), status.preferred.unwrap());
    let excluded = status.providers[0].excluded.clone().unwrap();
    assert_eq!((&*manual.by, &*preferred.by, &*excluded.by), ("carol", "alice", "bob"));
    assert_eq!((manual.at, preferred.at, excluded.at), (begin, begin, begin));
    assert_eq!((status.first.as_deref(), status.providers[1].is_preferred), (Some("b"), true));

    handle.automatic("carol");
    handle.restore("a", "bob").unwrap();
    handle.prefer("a", "alice").unwrap();
    service.oneshot(Idempotency::Safe).await.unwrap();
    let status = handle.status();
    assert_eq!((status.manual, status.providers[0].excluded.clone()), (None, None));
    assert_eq!((status.providers[0].moved_on, status.providers[1].moved_on, logs[1].count()), (1, 0, 1));
}

#[test]
fn what_cannot_be_built_or_steered_is_named() {
    let none = Service_::new("card", rules()).build().unwrap_err();
    assert_eq!(none.to_string(), "failover `card`: `providers` is 0; it must be from 1 to 32");

    let service = || provider(Fate::Succeeds, &Log::default());
    let twice = Failover::new("card", rules()).to("a", service()).to("b", service()).to("a", service());
    let expected = "failover `card`: `to` is \"a\"; it must be a name that no other provider has";
    assert_eq!(twice.build().unwrap_err().to_string(), expected);

    let many = (0..33).fold(Failover::new("card", rules()), |many, name| many.to(name.to_string(), service()));
    assert_eq!(many.build().unwrap_err().value(), "33");

    let handle = Failover::new("card", rules()).to("a", service()).to("b", service()).build().unwrap().handle();
    let expected = "failover `card`: `provider` is \"z\"; it must be one of `a`, `b`";
    for result in [handle.prefer("z", "ops"), handle.exclude("z", "ops"), handle.restore("z", "ops")] {
        assert_eq!(result.unwrap_err().to_string(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_http_response_says_who_gave_it() {
    let answers = |status: u16| {
        service_fn(move |_: Request<String>| {
            ready(Ok::<_, Error<std::io::Error>>(Response::builder().status(status).body(String::new()).unwrap()))
        })
    };
    let rules = Http::builder().unprocessed_statuses([http::StatusCode::SERVICE_UNAVAILABLE]).without_redirects();
    let post = || Request::post("http://card/charges").body(String::new()).unwrap();
    for (statuses, name, others) in [
        ([503, 201], "b", vec![("a", "503")]),
        ([201, 201], "a", vec![]),
        ([503, 503], "b", vec![("a", "503")]),
        ([402, 201], "a", vec![]),
    ] {
        let service = Failover::new("card", rules.clone()).to("a", answers(statuses[0])).to("b", answers(statuses[1]));
        let response = service.build().unwrap().oneshot(post()).await.unwrap();
        let provider = response.extensions().get::<Provider>().unwrap();
        assert_eq!((provider.name(), provider.others().collect()), (name, others));
    }
}

#[tokio::test(start_paused = true)]
async fn an_http_response_that_a_later_rejection_does_not_hide_says_so() {
    let a = service_fn(|_: Request<String>| {
        ready(Ok::<_, Error<std::io::Error>>(Response::builder().status(429).body(String::new()).unwrap()))
    });
    let b = service_fn(|_: Request<String>| ready(Err::<Response<String>, _>(Rejection::bulkhead_full(1).into())));
    let service = Failover::new("card", Http::builder().without_redirects()).to("a", a).to("b", b).build().unwrap();
    let response = service.oneshot(Request::post("http://card/charges").body(String::new()).unwrap()).await.unwrap();
    let provider = response.extensions().get::<Provider>().unwrap();
    assert_eq!((response.status().as_u16(), provider.name()), (429, "a"));
    assert_eq!(provider.others().collect::<Vec<_>>(), [("b", "bulkhead_full")]);
}

#[tokio::test(start_paused = true)]
async fn a_move_and_a_switch_are_traced() {
    let (listener, _listening) = listen();
    let (service, _) = providers(&[Fate::Full, Fate::Succeeds]);
    service.clone().oneshot(Idempotency::Keyed).await.unwrap();
    service.handle().exclude("a", "alice").unwrap();
    service.handle().manual("bob");
    assert_eq!(
        listener.heard(),
        [
            r#"DEBUG failover moved on failover="card" from="a" to="b" error_type="bulkhead_full""#,
            r#"INFO failover switch thrown failover="card" switch="exclude" provider="a" by="alice""#,
            r#"INFO failover switch thrown failover="card" switch="manual" by="bob""#,
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn dropped_it_asks_nobody_else() {
    let b = Log::default();
    let a = service_fn(|_: Idempotency| pending::<Result<Fate, Failed>>());
    let service = Failover::new("card", rules()).to("a", a).to("b", provider(Fate::Succeeds, &b)).build().unwrap();
    let mut call = task::spawn(service.oneshot(Idempotency::Safe));
    assert_pending!(call.poll());
    drop(call);
    assert_eq!(b.count(), 0);
}

// Two providers that count for themselves.

/// A charge: the number of the order, and how harmful it is to repeat.
type Order = (u32, Idempotency);

/// What became of each order at one provider.
#[derive(Clone, Default)]
struct Books(Arc<Mutex<HashMap<u32, Vec<(Fate, bool)>>>>);

impl Books {
    /// A provider that charges each order or does not, by chance, and says so, or not. It never lies that it did nothing.
    fn provider(&self, seed: u64) -> BoxCloneService<Order, Fate, Failed> {
        let books = self.clone();
        let rng = Arc::new(Mutex::new(SmallRng::seed_from_u64(seed)));
        BoxCloneService::new(service_fn(move |(order, _): Order| {
            let mut rng = rng.lock().expect("the test arranged it");
            let fates = [
                Fate::Succeeds,
                Fate::Declines,
                Fate::Refuses,
                Fate::Throttles,
                Fate::IsAtWork,
                Fate::Loses,
                Fate::Open(None),
                Fate::Full,
            ];
            let fate = fates[rng.random_range(0..fates.len())];
            let is_charged = match fate {
                Fate::Succeeds => true,
                Fate::Loses | Fate::IsAtWork => rng.random(),
                _ => false,
            };
            books.0.lock().expect("the test arranged it").entry(order).or_default().push((fate, is_charged));
            ready(answer(fate))
        }))
    }

    fn of(&self, order: u32) -> Vec<(Fate, bool)> {
        self.0.lock().expect("the test arranged it").get(&order).cloned().unwrap_or_default()
    }
}

#[tokio::test(start_paused = true)]
async fn in_ten_thousand_requests_no_unknown_effect_reaches_the_second_provider() {
    let (a, b) = (Books::default(), Books::default());
    let rules = rules_fn(judge as Judge).idempotent(|order: &Order| order.1);
    let service = Failover::new("card", rules).to("a", a.provider(1)).to("b", b.provider(2)).build().unwrap();
    let mut reached_b = 0;
    for order in 0..10_000 {
        let idempotency = ALL[order as usize % 4];
        let result = service.clone().oneshot((order, idempotency)).await;
        let [at_a, at_b] = [a.of(order), b.of(order)];
        assert!(at_a.len() == 1 && at_b.len() <= 1, "each at most once");
        let (fate_a, charged_a) = at_a[0];
        reached_b += at_b.len();

        if idempotency != Idempotency::Safe {
            assert!(fate_a != Fate::Loses || at_b.is_empty(), "order {order} of unknown effect went on to b");
            let charges = usize::from(charged_a) + at_b.iter().filter(|(_, charged)| *charged).count();
            assert!(charges <= 1, "order {order} was charged twice");
            match judge(result.as_ref()) {
                Verdict::Success => assert_eq!(charges, 1, "{order}"),
                Verdict::Failure(Failure { effect: Effect::Unknown, .. }) | Verdict::InProgress { .. } => {}
                verdict => assert_eq!(charges, 0, "{order}: the caller was told {verdict:?}"),
            }
        }
        let moves = !matches!(fate_a, Fate::Succeeds | Fate::Declines | Fate::IsAtWork)
            && (fate_a != Fate::Loses || idempotency == Idempotency::Safe);
        assert_eq!(at_b.len(), usize::from(moves), "order {order}: {fate_a:?}, {idempotency:?}");
    }
    assert!(reached_b > 3_000, "{reached_b}");
}
