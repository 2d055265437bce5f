use proptest::prelude::*;
use tokio::time::advance;

use super::*;

/// Keeps all requests and all retries, each so many at a time. They count while fewer than ten whole seconds of the clock that
/// started with the budget lie between it and now.
#[derive(Default)]
struct Model {
    requests: Vec<(Duration, u32)>,
    retries: Vec<(Duration, u32)>,
}

fn count(times: &[(Duration, u32)], now: Duration) -> u32 {
    times.iter().filter(|(time, _)| now.as_secs() - time.as_secs() < 10).map(|(_, count)| count).sum()
}

impl Model {
    /// Whether a further retry is within the bound if this many of the requests had not been seen.
    fn allows(&self, ratio: f64, floor: u32, unseen: u32, now: Duration) -> bool {
        let requests = count(&self.requests, now).saturating_sub(unseen);
        f64::from(count(&self.retries, now) + 1) <= ratio * f64::from(requests) + f64::from(floor)
    }
}

#[derive(Debug, Clone)]
enum Step {
    Requests(u32),
    /// So many retries, as far as they are allowed.
    Retries(u32),
    Advance(Duration),
    /// A whole number of seconds, from a nanosecond less to one more: the edges.
    AdvanceSeconds(u64, u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u32..150).prop_map(Step::Requests),
        4 => (1_u32..30).prop_map(Step::Retries),
        2 => (0_u64..3_000).prop_map(|millis| Step::Advance(Duration::from_millis(millis))),
        2 => (0_u64..13, 0_u64..3).prop_map(|(seconds, nanos)| Step::AdvanceSeconds(seconds, nanos)),
    ]
}

async fn agrees_with_lists(ratio: f64, floor: u32, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let start = Instant::now();
    let budget = RetryBudget::new(ratio, floor).unwrap();
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Requests(requests) => {
                for _ in 0..requests {
                    budget.deposit();
                }
                model.requests.push((start.elapsed(), requests));
            }
            Step::Retries(retries) => {
                for _ in 0..retries {
                    let now = start.elapsed();
                    let allowed = budget.withdraw();
                    // Never more than the bound, and never more careful than by 64 requests.
                    prop_assert!(!allowed || model.allows(ratio, floor, 0, now));
                    prop_assert!(allowed || !model.allows(ratio, floor, 64, now));
                    if allowed {
                        model.retries.push((now, 1));
                    }
                }
            }
            Step::Advance(by) => advance(by).await,
            Step::AdvanceSeconds(seconds, nanos) => {
                let edge = Duration::from_secs(start.elapsed().as_secs() + seconds);
                let target = (edge + Duration::from_nanos(nanos)).saturating_sub(Duration::from_nanos(1));
                advance(target.saturating_sub(start.elapsed())).await;
            }
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
fn the_clock_is_read_once_in_64_requests() {
    let budget = RetryBudget::default();
    let entered = || budget.limits.as_ref().unwrap().ledger.lock().unwrap().entered;
    for request in 1..=200 {
        budget.deposit();
        assert_eq!(entered(), request / SYNC_EVERY * SYNC_EVERY);
    }
}

#[test]
fn unlimited_is_unlimited() {
    for budget in [RetryBudget::unlimited(), RetryBudget::unlimited().sibling()] {
        assert!((0..100_000).all(|_| budget.withdraw()));
    }
}

#[test]
fn a_sibling_has_the_same_bounds_and_its_own_counts() {
    let budget = RetryBudget::new(0.5, 3).unwrap();
    (0..100).for_each(|_| budget.deposit());
    let sibling = budget.sibling();
    let retries = |budget: &RetryBudget| (0..1_000).filter(|_| budget.withdraw()).count();
    assert_eq!((retries(&sibling), retries(&budget)), (3, 53));
}

#[test]
fn it_shows_its_numbers() {
    assert_eq!(format!("{:?}", RetryBudget::default()), "RetryBudget { ratio: 0.2, floor: 10 }");
    assert_eq!(format!("{:?}", RetryBudget::unlimited()), "RetryBudget(unlimited)");
}
