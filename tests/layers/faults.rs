//! Faults on purpose, as their users see them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_test::{assert_pending, task};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use windbreak::faults::Fault::{Delay, Fail, Hang, LoseResponse, Ok as Passes};
use windbreak::faults::{Fault, FaultPlan, Faults};
use windbreak::rules::ErrorsOnly;
use windbreak::{RetryLayer, RetryPolicy, ServiceErrorLayer, TimeoutLayer};

use crate::saga::events::listen;
use crate::support::{Flag, Log, millis, secs};

/// The user's own error; it has nothing of windbreak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    OfTheUpstream,
    OnPurpose(u32),
}

type Handle = Faults<u32, Failure>;
type Set = fn(FaultPlan<u32, Failure>) -> FaultPlan<u32, Failure>;

/// A client that responds with its request, and fails on request 0. The log counts the calls that were made.
fn client(faults: &Handle, log: &Log) -> impl Service<u32, Response = u32, Error = Failure> + Clone + use<> {
    let log = log.clone();
    faults.layer().layer(service_fn(move |request| {
        log.note();
        async move { if request == 0 { Err(Failure::OfTheUpstream) } else { Ok(request) } }
    }))
}

/// What each of `calls` requests met, as its caller sees it: `H` is no response within ten seconds.
async fn seen(faults: &Handle, calls: u32) -> String {
    let (log, mut seen) = (Log::default(), String::new());
    let client = client(faults, &log);
    for request in 1..=calls {
        let (before, start) = (log.count(), Instant::now());
        let answer = timeout(secs(10), client.clone().oneshot(request)).await;
        let was_made = log.count() > before;
        seen.push(match (answer, was_made) {
            (Ok(Ok(_)), true) if start.elapsed().is_zero() => '.',
            (Ok(Ok(_)), true) => 'd',
            (Ok(Err(error)), false) if error == Failure::OnPurpose(request) => 'F',
            (Err(_), false) => 'H',
            (Err(_), true) => 'L',
            other => panic!("{other:?}"),
        });
    }
    seen
}

/// All faults at once.
fn mixed(faults: &Handle) -> FaultPlan<u32, Failure> {
    let plan = faults.plan().fail(0.2, |request| Failure::OnPurpose(*request)).delay(0.2, millis(5)..=millis(50));
    plan.hang(0.2).lose_response(0.2)
}

#[tokio::test(start_paused = true)]
async fn off_by_default_everything_passes() {
    let faults = Handle::new().seed(7);
    assert_eq!(seen(&faults, 50).await, ".".repeat(50));
    assert!(!faults.is_on());
    assert_eq!(client(&faults, &Log::default()).oneshot(0).await, Err(Failure::OfTheUpstream));
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_was_not_started_does_nothing() {
    let faults = Handle::new();
    let plan = faults.plan().hang(1.0);
    assert_eq!(seen(&faults, 5).await, ".....");
    plan.start().unwrap();
    assert_eq!(seen(&faults, 5).await, "HHHHH");
}

#[tokio::test(start_paused = true)]
async fn each_fault_is_what_it_says() {
    for (fault, expected) in [(Passes, "."), (Fail, "F"), (Delay(millis(5)), "d"), (Hang, "H"), (LoseResponse, "L")] {
        let faults = Handle::new();
        faults.plan().fail(0.0, |request| Failure::OnPurpose(*request)).script([fault]).start().unwrap();
        assert_eq!(seen(&faults, 1).await, expected, "{fault:?}");
    }
    let always: [(&str, Set); 4] = [
        ("FFF", |plan| plan.fail(1.0, |request| Failure::OnPurpose(*request))),
        ("ddd", |plan| plan.delay(1.0, millis(5)..=millis(5))),
        ("HHH", |plan| plan.hang(1.0)),
        ("LLL", |plan| plan.lose_response(1.0)),
    ];
    for (expected, set) in always {
        let faults = Handle::new();
        set(faults.plan()).start().unwrap();
        assert_eq!(seen(&faults, 3).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_and_order_of_requests_meet_the_same_faults() {
    let run = async |seed| {
        let faults = Handle::new().seed(seed);
        mixed(&faults).start().unwrap();
        seen(&faults, 100).await
    };
    let first = run(7).await;
    assert_eq!(run(7).await, first);
    assert_ne!(run(8).await, first);
    for fault in ".FdHL".chars() {
        assert!(first.contains(fault), "no {fault} in {first}");
    }

    let faults = Handle::new().seed(7);
    for _ in 0..2 {
        mixed(&faults).start().unwrap();
        assert_eq!(seen(&faults, 100).await, first, "each start draws from the seed anew");
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_holds_the_result_back_and_an_error_too() {
    let faults = Handle::new();
    faults.plan().delay(1.0, millis(100)..=millis(200)).start().unwrap();
    let log = Log::default();
    let client = client(&faults, &log);
    for request in [0, 1, 2, 3, 4] {
        let start = Instant::now();
        let mut response = task::spawn(Box::pin(client.clone().oneshot(request)));
        assert_pending!(response.poll());
        assert_eq!(log.count(), request as usize + 1, "the call is made at once");
        let answer = response.into_inner().await;
        assert_eq!(answer, if request == 0 { Err(Failure::OfTheUpstream) } else { Ok(request) });
        assert!((millis(100)..=millis(202)).contains(&start.elapsed()), "{:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_response_was_acted_on_and_its_response_is_dropped() {
    let (flag, acted) = (Flag::default(), Arc::new(AtomicUsize::new(0)));
    let faults = Faults::new();
    faults.plan().script([LoseResponse]).start().unwrap();
    let client = ServiceBuilder::new().layer(TimeoutLayer::new(secs(1))).layer(faults.layer()).service(service_fn({
        let (flag, acted) = (flag.clone(), Arc::clone(&acted));
        move |()| {
            let (response, acted) = (flag.raised_on_drop(), Arc::clone(&acted));
            async move {
                sleep(millis(300)).await;
                acted.fetch_add(1, Ordering::Relaxed);
                Ok::<_, windbreak::Error<()>>(response)
            }
        }
    }));
    let mut response = task::spawn(Box::pin(client.clone().oneshot(())));
    assert_pending!(response.poll().map(drop));
    sleep(millis(301)).await;
    assert_pending!(response.poll().map(drop));
    assert_eq!((acted.load(Ordering::Relaxed), flag.is_raised()), (1, true));
    assert!(response.into_inner().await.unwrap_err().is_timeout());
    assert!(client.oneshot(()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn only_the_chosen_requests_meet_faults_and_the_others_do_not_count() {
    let faults = Handle::new();
    faults.plan().script([Hang, LoseResponse, Hang]).only(|request| request % 2 == 0).start().unwrap();
    assert_eq!(seen(&faults, 8).await, ".H.L.H..");
}

#[tokio::test(start_paused = true)]
async fn after_its_script_a_plan_goes_by_its_rates() {
    let faults = Handle::new();
    faults.plan().script([Passes, LoseResponse]).hang(1.0).start().unwrap();
    assert_eq!(seen(&faults, 4).await, ".LHH");
}

#[tokio::test(start_paused = true)]
async fn it_ends_by_itself_and_by_hand() {
    let faults = Handle::new();
    faults.plan().fail(1.0, |request| Failure::OnPurpose(*request)).for_(secs(30)).start().unwrap();
    sleep(millis(29_999)).await;
    assert_eq!((seen(&faults, 2).await, faults.is_on()), ("FF".into(), true));
    sleep(millis(1)).await;
    assert_eq!((faults.is_on(), seen(&faults, 2).await), (false, "..".into()));

    faults.plan().fail(1.0, |request| Failure::OnPurpose(*request)).for_(Duration::MAX).start().unwrap();
    assert_eq!((seen(&faults, 2).await, faults.is_on()), ("FF".into(), true));
    faults.stop();
    assert_eq!((seen(&faults, 2).await, faults.is_on()), ("..".into(), false));
}

#[tokio::test(start_paused = true)]
async fn a_new_plan_takes_the_place_of_the_one_that_runs() {
    let faults = Handle::new();
    faults.plan().hang(1.0).start().unwrap();
    faults.plan().lose_response(1.0).start().unwrap();
    assert_eq!(seen(&faults, 2).await, "LL");
    let counts = faults.counts();
    assert_eq!((counts.failed, counts.delayed, counts.hung, counts.lost), (0, 0, 0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_plan_may_be_changed_from_within() {
    // The closures of a plan run without a lock.
    let faults = Handle::new();
    let within = faults.clone();
    faults.plan().hang(1.0).only(move |_| within.is_on()).start().unwrap();
    assert_eq!(seen(&faults, 1).await, "H");
    let within = faults.clone();
    let fails = move |request: &u32| {
        within.stop();
        Failure::OnPurpose(*request)
    };
    faults.plan().fail(1.0, fails).start().unwrap();
    assert_eq!(seen(&faults, 3).await, "F..");
}

#[tokio::test(start_paused = true)]
async fn what_hangs_or_lost_its_response_is_dropped_with_its_future() {
    let held = Arc::new(());
    let faults = Faults::new();
    let service = faults.layer().layer(service_fn(|request: Arc<()>| async move {
        tokio::task::yield_now().await;
        Ok::<_, ()>(request)
    }));
    for fault in [Passes, Delay(secs(1)), Hang, LoseResponse] {
        for polls in 0..3 {
            faults.plan().script([fault]).start().unwrap();
            let mut response = task::spawn(service.clone().oneshot(Arc::clone(&held)));
            for _ in 0..polls {
                _ = response.poll();
            }
            drop(response);
            assert_eq!(Arc::strong_count(&held), 1, "{fault:?}, polled {polls} times");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_above_meets_them_as_it_would_the_clients_own() {
    let faults = Faults::new();
    let plan = faults.plan().fail(0.0, |(): &()| windbreak::Error::Service("connection refused"));
    plan.script([Fail, Hang]).start().unwrap();
    let policy = RetryPolicy::builder().max_attempts(3).build().unwrap();
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new(policy, ErrorsOnly.idempotent(|(): &()| true)))
        .layer(TimeoutLayer::new(secs(1)))
        .layer(faults.layer())
        .layer(ServiceErrorLayer)
        .service(service_fn(|()| async { Ok::<_, &str>("third time lucky") }));
    assert_eq!(client.oneshot(()).await, Ok("third time lucky"));
}

#[tokio::test(start_paused = true)]
async fn it_warns_once_a_second_at_most_that_it_is_on() {
    let (listener, _listening) = listen();
    let faults = Handle::new();
    faults.plan().fail(1.0, |request| Failure::OnPurpose(*request)).for_(millis(2_500)).start().unwrap();
    let client = client(&faults, &Log::default());
    for _ in 0..30 {
        _ = client.clone().oneshot(1).await;
        sleep(millis(100)).await;
    }
    let heard = listener.heard();
    assert_eq!(
        heard,
        [
            "WARN faults are on failed=0 delayed=0 hung=0 lost=0",
            "WARN faults are on failed=10 delayed=0 hung=0 lost=0",
            "WARN faults are on failed=20 delayed=0 hung=0 lost=0",
            "INFO faults are off",
        ]
    );
    faults.stop();
    assert!(listener.heard().is_empty());
}

#[test]
fn numbers_out_of_their_bounds_are_named() {
    let faults = Handle::new();
    let error = |set: Set| set(faults.plan()).start().unwrap_err().to_string();
    let cases: [(&str, Set); 10] = [
        ("`fail` is 1.1; it must be from 0 to 1", |plan| plan.fail(1.1, |_| Failure::OfTheUpstream)),
        ("`delay` is -0.1; it must be from 0 to 1", |plan| plan.delay(-0.1, millis(1)..=millis(1))),
        ("`hang` is NaN; it must be from 0 to 1", |plan| plan.hang(f64::NAN)),
        ("`lose_response` is inf; it must be from 0 to 1", |plan| plan.lose_response(f64::INFINITY)),
        ("`rates` is 1.5; it must be at most 1, all of them together", |plan| plan.hang(0.75).lose_response(0.75)),
        ("`delay` is 2s..=1s; it must be a range whose end is not before its start", |plan| {
            plan.delay(0.1, secs(2)..=secs(1))
        }),
        ("`for_` is 0ns; it must be longer than zero", |plan| plan.for_(Duration::ZERO)),
        ("`script` is Fail; it must be in a plan with `fail`, which makes its error", |plan| plan.script([Fail])),
        ("`hang` is -0.5; it must be from 0 to 1", |plan| plan.hang(-0.5).lose_response(1.0)),
        ("`fail` is NaN; it must be from 0 to 1", |plan| plan.fail(f64::NAN, |_| Failure::OfTheUpstream)),
    ];
    for (message, set) in cases {
        assert_eq!(error(set), message);
    }
    assert!(!faults.is_on());
    // What is rounded may make these more than one.
    let plan = faults.plan().fail(0.01, |_| Failure::OfTheUpstream).hang(0.68).lose_response(0.11);
    assert!(plan.delay(0.2, Duration::ZERO..=Duration::MAX).start().is_ok());
    assert_eq!(Fault::Delay(Duration::MAX), Delay(Duration::MAX));
}
