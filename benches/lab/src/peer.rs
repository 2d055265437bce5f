//! tower-resilience's layers in the order of ours: three attempts, 4,096 in flight and the timeouts as ours have them, and
//! its breaker as it is by default (it opens when half of the last 100 calls failed), but for the wait.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tower::util::BoxCloneService;
use tower::{Service, ServiceBuilder, ServiceExt as _, service_fn};
use tower_resilience::bulkhead::BulkheadLayer;
use tower_resilience::circuitbreaker::{CircuitBreakerError, CircuitBreakerLayer, CircuitState};
use tower_resilience::retry::RetryLayer;
use tower_resilience::timelimiter::TimeLimiterLayer;

use crate::setups::Told;

const TOTAL_TIMEOUT: Duration = Duration::from_secs(30);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Its default is 30 s, in which no outage of the lab would be over soon enough.
const OPEN_WAIT: Duration = Duration::from_secs(5);
const IN_FLIGHT: usize = 4096;

/// Around `client`, whose errors are what counts as a failure: a response that is not good has to be made one.
///
/// Its breaker reads the clock of the system, and the lab moves one of its own. So its wait is set to zero, and a gate in
/// front of it rejects, in its words, from when it opens until the wait is over on the lab's clock. All else that it
/// does goes by counts.
pub(crate) fn peer<S, R>(client: S) -> Result<BoxCloneService<R, S::Response, Told>, Box<dyn Error + Send + Sync>>
where
    S: Service<R, Response: Send + 'static, Error = Told, Future: Send> + Clone + Send + Sync + 'static,
    R: Clone + Send + Sync + 'static,
{
    let opened = Arc::new(Mutex::new(None));
    let opening = Arc::clone(&opened);
    let breaker = CircuitBreakerLayer::builder()
        .wait_duration_in_open(Duration::ZERO)
        .on_state_transition(move |_, to| {
            if to == CircuitState::Open {
                *opening.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            }
        })
        .build()?;
    let bounded = ServiceBuilder::new()
        .layer(breaker)
        .layer(BulkheadLayer::builder().max_concurrent_calls(IN_FLIGHT).build()?)
        .layer(TimeLimiterLayer::builder().timeout_duration(ATTEMPT_TIMEOUT).build())
        .service(client);
    let gated = service_fn(move |request| {
        let bounded = bounded.clone();
        let opened = *opened.lock().unwrap_or_else(PoisonError::into_inner);
        async move {
            if opened.is_some_and(|opened: Instant| opened.elapsed() < OPEN_WAIT) {
                return Err(CircuitBreakerError::OpenCircuit);
            }
            bounded.oneshot(request).await
        }
    });
    let stack = ServiceBuilder::new()
        .layer(TimeLimiterLayer::builder().timeout_duration(TOTAL_TIMEOUT).build())
        .layer(RetryLayer::builder().max_attempts(3).exponential_backoff(Duration::from_millis(100)).build())
        .service(gated);
    // What it says is said in words: they tell why it would not send.
    Ok(stack
        .map_err(|error| match error.to_string() {
            words if words.contains("circuit") => Told::Shut,
            words if words.contains("bulkhead") => Told::Full,
            words if words.contains("timed out") => Told::TimedOut,
            _ => Told::Failed,
        })
        .boxed_clone())
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn its_breaker_waits_by_the_clock_of_the_lab() {
        let calls = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&calls);
        let dead = service_fn(move |()| {
            counted.fetch_add(1, Ordering::Relaxed);
            ready(Err::<(), _>(Told::Failed))
        });
        let client = peer(dead).unwrap();
        let ask = || client.clone().oneshot(());
        for _ in 0..34 {
            assert!(ask().await.is_err());
        }
        assert_eq!(calls.load(Ordering::Relaxed), 100, "three attempts each, until the circuit opens");
        // Its retries take less than a second.
        for _ in 0..3 {
            assert_eq!(ask().await, Err(Told::Shut));
        }
        assert_eq!(calls.load(Ordering::Relaxed), 100);
        advance(OPEN_WAIT).await;
        assert!(ask().await.is_err());
        assert_eq!(calls.load(Ordering::Relaxed), 101, "one probe");
    }
}
