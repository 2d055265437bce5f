use std::time::Duration;

use proptest::prelude::*;
use tokio::time::advance;

use super::*;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Keeps the moments of all requests of two services, and of all retries.
#[derive(Default)]
struct Model {
    requests: Vec<Duration>,
    retries: Vec<Duration>,
}

fn within(times: &[Duration], now: Duration, length: Duration) -> usize {
    times.iter().filter(|&&time| time + length > now).count()
}

#[derive(Debug, Clone)]
enum Step {
    /// A number of requests of one of two services.
    Requests(usize, u32),
    /// A number of retries of one of them, as far as they are allowed.
    Retries(usize, u32),
    Advance(Duration),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_usize..2, 0_u32..150).prop_map(|(service, requests)| Step::Requests(service, requests)),
        4 => (0_usize..2, 1_u32..30).prop_map(|(service, retries)| Step::Retries(service, retries)),
        3 => (0_u64..6_000).prop_map(|by| Step::Advance(millis(by))),
    ]
}

async fn agrees_with_lists(ratio: f64, floor: u32, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let start = Instant::now();
    let budget = RetryBudget::new(ratio, floor).unwrap();
    let intakes = [budget.intake(), budget.intake()];
    let mut model = Model::default();
    for step in steps {
        let now = start.elapsed();
        match step {
            Step::Requests(service, requests) => {
                for _ in 0..requests {
                    budget.deposit(&intakes[service]);
                    model.requests.push(now);
                }
            }
            Step::Retries(service, retries) => {
                for _ in 0..retries {
                    let allows = |less: usize, by: Duration| {
                        let span = Duration::from_secs(10);
                        let requests = within(&model.requests, now, span - by).saturating_sub(less) as f64;
                        let retries = within(&model.retries, now, span + by) as f64;
                        ratio * requests + f64::from(floor) - retries - 1.0
                    };
                    let allowed = budget.withdraw(&intakes[service]);
                    prop_assert!(!allowed || allows(0, Duration::ZERO) > -1e-9);
                    // Of each service 32 requests may count as older than they are, and of the other 31 not at all.
                    prop_assert!(allowed || allows(95, millis(500)) < 1e-9);
                    if allowed {
                        model.retries.push(now);
                    }
                }
            }
            Step::Advance(by) => advance(by).await,
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn agrees_with_lists_of_times_step_by_step(
        ratio in prop_oneof![Just(0.2), Just(1.0), 0.001..1.0],
        floor in 0_u32..20,
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(agrees_with_lists(ratio, floor, steps))?;
    }
}

#[test]
fn the_clock_is_read_once_in_32_requests_of_a_service() {
    let budget = RetryBudget::default();
    let intake = budget.intake();
    for request in 1..=200 {
        budget.deposit(&intake);
        assert_eq!(intake.told.load(Ordering::Relaxed), request / 32 * 32);
    }
}

#[test]
fn a_retry_is_paid_for_by_requests_that_were_not_told_yet() {
    let budget = RetryBudget::new(0.5, 0).unwrap();
    let intake = budget.intake();
    (0..10).for_each(|_| budget.deposit(&intake));
    assert_eq!((0..100).filter(|_| budget.withdraw(&intake)).count(), 5);
}

#[tokio::test(start_paused = true)]
async fn requests_of_a_service_that_is_younger_than_the_budget_count() {
    let budget = RetryBudget::new(0.5, 0).unwrap();
    advance(millis(60_000)).await;
    let intake = budget.intake();
    (0..10).for_each(|_| budget.deposit(&intake));
    assert_eq!((0..100).filter(|_| budget.withdraw(&intake)).count(), 5);
}

#[test]
fn unlimited_is_unlimited() {
    for budget in [RetryBudget::unlimited(), RetryBudget::unlimited().sibling()] {
        assert!((0..100_000).all(|_| budget.withdraw(&budget.intake()) && budget.try_withdraw()));
        assert_eq!((budget.remaining(), budget.refused()), (u64::MAX, 0));
    }
}

#[test]
fn a_sibling_has_the_same_bounds_and_its_own_counts() {
    let budget = RetryBudget::new(0.5, 3).unwrap();
    let intake = budget.intake();
    (0..100).for_each(|_| budget.deposit(&intake));
    let sibling = budget.sibling();
    let retries = |budget: &RetryBudget| (0..1_000).filter(|_| budget.try_withdraw()).count();
    // Without the last four, which it was not told of.
    assert_eq!((retries(&sibling), retries(&budget)), (3, 51));
    assert_eq!((sibling.refused(), budget.refused()), (997, 949));
}

#[test]
fn what_a_service_leaves_behind_counts() {
    let budget = RetryBudget::new(0.5, 3).unwrap();
    for _ in 0..100 {
        let intake = budget.intake();
        budget.deposit(&intake);
        budget.close(&intake);
    }
    assert_eq!(budget.remaining(), 53);
}

#[test]
fn it_shows_its_numbers() {
    assert_eq!(format!("{:?}", RetryBudget::default()), "RetryBudget { ratio: 0.2, floor: 10 }");
    assert_eq!(format!("{:?}", RetryBudget::unlimited()), "RetryBudget(unlimited)");
}
