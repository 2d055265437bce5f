//! What pays for retries.

use std::time::Duration;

use tokio::time::{Instant, advance};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use windbreak::retry::{RetryBudget, RetryPolicyBuilder};
use windbreak::rules::{ErrorsOnly, RulesFn, WithIdempotency, rules_fn};
use windbreak::{Circuit, CircuitBreakerLayer, Effect, Failure, RetryLayer, RetryPolicy, TimeoutLayer, Verdict};

use crate::support::{Log, millis, secs};

type Error = windbreak::Error<usize>;
type Repeatable = WithIdempotency<ErrorsOnly, (), fn(&()) -> bool>;

fn repeatable() -> Repeatable {
    ErrorsOnly.idempotent(|()| true)
}

/// A budget of eight retries and next to nothing for requests.
fn of_eight() -> RetryBudget {
    RetryBudget::new(0.001, 8).expect("valid")
}

/// An upstream that fails always.
fn down(log: &Log) -> impl Service<(), Response = (), Error = Error> + Clone + use<> {
    let log = log.clone();
    service_fn(move |()| std::future::ready(Err(Error::Service(log.note()))))
}

/// A request whose copy knows that it is one.
#[derive(Debug, Default)]
struct Retried(bool);

impl Clone for Retried {
    fn clone(&self) -> Self {
        Self(true)
    }
}

/// Every request fails at first and would succeed if it were repeated: the upstream is asked at most 20 % more.
#[tokio::test(start_paused = true)]
async fn the_budget_bounds_the_load_also_if_every_retry_succeeds() {
    const REQUESTS: usize = 10_000;
    let log = Log::default();
    let noted = log.clone();
    let upstream = service_fn(move |Retried(retried)| {
        let number = noted.note();
        async move { if retried { Ok(()) } else { Err(Error::Service(number)) } }
    });
    let policy = RetryPolicy::builder().backoff(millis(1)).build().unwrap();
    let client = RetryLayer::new(policy, ErrorsOnly.idempotent(|_: &Retried| true)).layer(upstream);
    let mut retried = 0;
    for _ in 0..REQUESTS {
        retried += usize::from(client.clone().oneshot(Retried::default()).await.is_ok());
    }
    assert_eq!(log.count(), REQUESTS + retried);
    assert!(retried <= REQUESTS / 5 + 10, "{retried}");
    assert!(retried >= REQUESTS / 5 - 64, "{retried}");
}

#[tokio::test(start_paused = true)]
async fn an_unlimited_budget_pays_for_every_retry() {
    assert_eq!(retries_of_fifty(RetryPolicy::builder().budget(RetryBudget::unlimited())).await, 100);
}

/// Sends 50 requests and says how many retries they got.
async fn retries_of_fifty(policy: RetryPolicyBuilder) -> usize {
    let log = Log::default();
    let client = RetryLayer::new(policy.backoff(millis(1)).build().expect("valid"), repeatable()).layer(down(&log));
    for _ in 0..50 {
        let _ = client.clone().oneshot(()).await;
    }
    log.count() - 50
}

#[tokio::test(start_paused = true)]
async fn a_sibling_follows_the_same_rules_and_has_a_budget_of_its_own() {
    let policy = RetryPolicy::builder().max_attempts(2).backoff(secs(1)).budget(of_eight()).build().unwrap();
    for policy in [policy.sibling(), policy.sibling(), policy] {
        let log = Log::default();
        let client = RetryLayer::new(policy, repeatable()).layer(down(&log));
        let start = Instant::now();
        let _ = client.clone().oneshot(()).await;
        assert_eq!((log.count(), start.elapsed()), (2, secs(1)));
        for _ in 0..20 {
            let _ = client.clone().oneshot(()).await;
        }
        assert_eq!(log.count(), 21 + 8);
    }
}

#[tokio::test(start_paused = true)]
async fn two_policies_may_share_a_budget() {
    let budget = of_eight();
    assert_eq!(retries_of_fifty(RetryPolicy::builder().budget(budget.clone())).await, 8);
    assert_eq!(retries_of_fifty(RetryPolicy::builder().budget(budget)).await, 0);
}

#[tokio::test(start_paused = true)]
async fn policies_of_one_builder_have_budgets_of_their_own() {
    let builder = RetryPolicy::builder();
    for _ in 0..3 {
        assert_eq!(retries_of_fifty(builder.clone()).await, 50 / 5 + 10);
    }
}

#[tokio::test(start_paused = true)]
async fn a_budget_recovers_within_half_a_second_after_ten() {
    let budget = of_eight();
    let start = Instant::now();
    let retries = async || retries_of_fifty(RetryPolicy::builder().budget(budget.clone())).await;
    assert_eq!(retries().await, 8);
    advance(millis(9_800)).await;
    assert_eq!(retries().await, 0);
    assert!(start.elapsed() < secs(10));
    advance(millis(700)).await;
    assert_eq!(retries().await, 8);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_does_not_happen_is_not_paid_for() {
    fn asks_for(pause: Duration) -> RulesFn<(), Error, impl Fn(Result<&(), &Error>) -> Verdict> {
        rules_fn(move |_: Result<&(), &Error>| {
            Verdict::Failure(Failure::new(Effect::NotApplied).with_retry_after(pause))
        })
    }

    let budget = of_eight();
    let paid = || RetryPolicy::builder().budget(budget.clone());
    let (log, hurry) = (Log::default(), TimeoutLayer::new(millis(1)));
    for _ in 0..20 {
        let slow = paid().backoff(secs(1));
        let _ = RetryLayer::new(paid().build().unwrap(), asks_for(secs(61))).layer(down(&log)).oneshot(()).await;
        let bounded = slow.clone().max_elapsed(millis(1)).build().unwrap();
        let _ = RetryLayer::new(bounded, repeatable()).layer(down(&log)).oneshot(()).await;
        let _ = RetryLayer::new(paid().build().unwrap(), ErrorsOnly).layer(down(&log)).oneshot(()).await;
        let once = paid().max_attempts(1).build().unwrap();
        let _ = RetryLayer::new(once, repeatable()).layer(down(&log)).oneshot(()).await;
        let hurried = RetryLayer::new(slow.build().unwrap(), repeatable()).layer(down(&log));
        let _ = hurry.layer(hurried).oneshot(()).await;
    }
    assert_eq!(log.count(), 100);
    assert_eq!((budget.remaining(), budget.refused()), (8, 0));
    assert_eq!(retries_of_fifty(paid()).await, 8);
}

#[tokio::test(start_paused = true)]
async fn what_an_open_circuit_rejects_is_no_load_that_pays_for_retries() {
    let circuit = Circuit::builder("down").build().unwrap();
    circuit.force_open();
    let budget = RetryBudget::new(0.5, 3).unwrap();
    let policy = RetryPolicy::builder().budget(budget.clone()).build().unwrap();
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new(policy, repeatable()))
        .layer(CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly))
        .service(service_fn(|()| async { Ok::<_, Error>(()) }));
    for _ in 0..640 {
        assert!(client.clone().oneshot(()).await.unwrap_err().is_circuit_open());
    }
    assert_eq!(budget.remaining(), 3);

    circuit.reset();
    for _ in 0..640 {
        client.clone().oneshot(()).await.unwrap();
    }
    drop(client);
    assert_eq!(budget.remaining(), 3 + 320);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_cancelled_pays_for_nothing() {
    let budget = RetryBudget::new(1.0, 3).unwrap();
    let policy = RetryPolicy::builder().budget(budget.clone()).build().unwrap();
    let client =
        RetryLayer::new(policy, ErrorsOnly).layer(service_fn(|()| std::future::pending::<Result<(), Error>>()));
    for _ in 0..100 {
        let mut response = tokio_test::task::spawn(client.clone().oneshot(()));
        tokio_test::assert_pending!(response.poll());
    }
    drop(client);
    assert_eq!(budget.remaining(), 3);
}

#[tokio::test(start_paused = true)]
async fn every_refusal_of_the_budget_is_counted() {
    let budget = of_eight();
    assert_eq!(retries_of_fifty(RetryPolicy::builder().budget(budget.clone())).await, 8);
    // The first four requests got two retries each.
    assert_eq!((budget.remaining(), budget.refused()), (0, 46));
    assert!(!budget.try_withdraw());
    assert_eq!(budget.refused(), 47);
}

#[tokio::test(start_paused = true)]
async fn the_first_retry_after_a_failure_that_cost_nothing_is_free() {
    let free = Verdict::Failure(Failure::new(Effect::NotApplied).free());
    let but_not_harmless = Verdict::Failure(Failure::new(Effect::Unknown).free());
    for (verdict, retries) in [(free, 1), (but_not_harmless, 0)] {
        let (log, budget) = (Log::default(), RetryBudget::new(0.001, 0).unwrap());
        let policy = RetryPolicy::builder().budget(budget.clone()).max_attempts(9).build().unwrap();
        let rules = rules_fn(move |_: Result<&(), &Error>| verdict).idempotent(|()| true);
        let client = RetryLayer::new(policy, rules).layer(down(&log));
        for _ in 0..20 {
            let _ = client.clone().oneshot(()).await;
        }
        assert_eq!((log.count(), budget.refused()), (20 + 20 * retries, 20));
    }
}
