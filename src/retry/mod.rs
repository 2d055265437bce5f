//! Tries again, after a pause, when that is safe and the budget allows it.
//!
//! Use it above whatever fails now and then and is well again within a moment: a connection that was reset, a 503 during
//! a deployment. Against an outage it does little: put a [circuit breaker](crate::circuit_breaker) below it.
//!
//! tower's `Retry` leaves all decisions to a `Policy` that you write. This layer decides:
//!
//! * A failed attempt is repeated only if it certainly had no effect, or if sending the request twice is the same as
//!   sending it once. For HTTP the method says so. For other requests nothing is known: say so with
//!   `rules.idempotent(|request| ..)`.
//! * The pause is the jittered backoff. Where the upstream sent `Retry-After`, the pause is that *plus* up to a tenth of it
//!   *plus* the jittered backoff, so that many callers who were told the same second come back spread. With
//!   [`Jitter::None`](crate::backoff::Jitter) it is the sum of the two.
//! * No pause begins that would not end before the [`deadline`](crate::deadline()), or would end past `max_elapsed`. Nor one
//!   that would end while a circuit below, which has just opened, still rejects: with `wait_for_circuit` the pause lasts
//!   until then, and without it the request ends. A circuit below a load balancer, for which it is
//!   [pending](crate::CircuitBreakerLayer::pending_while_open), or below a failover or fallback, says nothing of a further
//!   attempt, which goes elsewhere.
//! * Retries are paid from a [`RetryBudget`], on by default, so that an upstream that is down is not sent many times its
//!   load. The first retry after a failure that cost the upstream nothing ([`Failure::free`](crate::Failure)) is not.
//! * Permanent failures, what was [`Declined`](crate::Verdict::Declined), and mistakes of the caller are never repeated.
//!
//! # What is returned
//!
//! The result of the last attempt. An error says what it took in [`Error::attempts`](crate::Error::attempts), a response
//! of HTTP in its extensions.
//!
//! What an attempt did is never hidden by a later one. If our own layers below reject a *further* attempt (an open
//! circuit, a full bulkhead, a rate limit), or the wrapped service fails in `poll_ready` for it, then the result is the
//! last error of an attempt that was sent; or, where that was a response, which is discarded by then,
//! [`Rejection::RetryStopped`](crate::Rejection::RetryStopped). [`Attempts::stopped_by`] has the rejection. The same holds
//! if the last attempt certainly had no effect (a refused connection, a response that says so), or ended in an error that
//! is [`Ignored`](crate::Verdict::Ignored), and an earlier one may have had one, unless the request is
//! [`Safe`](crate::rules::Idempotency::Safe). A response of HTTP is returned all the same: the rules of HTTP see in its
//! extensions that an earlier attempt may have had an effect, and judge it so.
//!
//! With [`wait_for_circuit`](RetryPolicyBuilder::wait_for_circuit) a further attempt that is rejected waits as long as
//! the rejection says, with the same addition, and tries again. A first attempt that is rejected never does.
//!
//! # Errors of `poll_ready`
//!
//! Before a first attempt, an error of the wrapped service's `poll_ready` is that of this layer's `poll_ready`: there is
//! no request yet to be retried. Before a further attempt it counts as an attempt that failed and was not sent: the rules
//! judge it, it may be retried by a new clone of the service, and it does not hide what was sent.
//!
//! # Spans and events
//!
//! | | level | fields |
//! |---|---|---|
//! | span `attempt`, the first | `DEBUG` | `http.request.resend_count`, 0; `error.type`, if it failed |
//! | span `attempt`, further ones | `INFO` | the same; the count is of attempts that were sent before |
//! | event `retry budget is exhausted` | `DEBUG` | `error.type` of the attempt; `refused`, the refusals so far |
//! | event `further attempt was rejected, waits` | `DEBUG` | `error.type`, the rejection; `attempts`, how many were sent |
//! | event `further attempt was rejected, stops` | `DEBUG` | the same |
//!
//! A span ends with its attempt; the pause after it belongs to none. Where nobody listens, a healthy request makes no
//! span and allocates nothing.
//!
//! # Examples
//!
//! ```
//! use std::sync::atomic::{AtomicU32, Ordering};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::rules::ErrorsOnly;
//! use windbreak::{Error, RetryLayer, RetryPolicy};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), windbreak::InvalidConfig> {
//! static CALLS: AtomicU32 = AtomicU32::new(0);
//!
//! let client = ServiceBuilder::new()
//!     .layer(RetryLayer::new(
//!         RetryPolicy::builder().build()?,
//!         ErrorsOnly.idempotent(|_: &()| true),
//!     ))
//!     .map_err(Error::Service)
//!     .service(service_fn(|(): ()| async {
//!         if CALLS.fetch_add(1, Ordering::Relaxed) < 2 {
//!             Err("flaky")
//!         } else {
//!             Ok("third time lucky")
//!         }
//!     }));
//!
//! assert_eq!(client.oneshot(()).await, Ok("third time lucky"));
//! # Ok(())
//! # }
//! ```
//!
//! With every number chosen. The upstream is sent an order, fails, and opens the circuit: the caller learns what became
//! of the order, and not only that the circuit is open.
//!
//! ```
//! use std::time::Duration;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::backoff::Backoff;
//! use windbreak::retry::RetryBudget;
//! use windbreak::rules::{ErrorsOnly, Idempotency};
//! use windbreak::{Circuit, CircuitBreakerLayer, Error, RetryLayer, RetryPolicy};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), windbreak::InvalidConfig> {
//! let budget = RetryBudget::new(0.1, 5)?;
//! let policy = RetryPolicy::builder()
//!     .max_attempts(4)
//!     .backoff(Backoff::exponential(Duration::from_millis(50)).max(Duration::from_secs(2)))
//!     .max_elapsed(Duration::from_secs(10))
//!     .max_retry_after(Duration::from_secs(5))
//!     .wait_for_circuit(true)
//!     .budget(budget.clone())
//!     .build()?;
//! let rules = ErrorsOnly.idempotent(|_: &&str| Idempotency::Keyed);
//! let circuit = Circuit::builder("orders")
//!     .count_window(2)
//!     .minimum_calls(2)
//!     .open_for(Duration::from_secs(30))
//!     .build()?;
//! let client = ServiceBuilder::new()
//!     .layer(RetryLayer::new(policy, rules))
//!     .layer(CircuitBreakerLayer::new(circuit, ErrorsOnly))
//!     .service(service_fn(|_order: &str| async {
//!         Err::<(), _>(Error::Service("reset"))
//!     }));
//!
//! let error = client.oneshot("order 7").await.unwrap_err();
//! assert_eq!(error.service(), Some(&"reset"));
//! assert_eq!(error.attempts().map(|attempts| attempts.count()), Some(2));
//! assert_eq!(budget.remaining(), 4);
//! # Ok(())
//! # }
//! ```

mod builder;
mod future;
mod journey;
mod layer;
mod numbers;
mod plan;
mod policy;
mod progress;
mod service;
mod shared;
mod span;

pub use crate::attempts::Attempts;
pub use crate::budget::RetryBudget;
pub use builder::RetryPolicyBuilder;
pub use future::ResponseFuture;
pub use layer::RetryLayer;
pub use policy::RetryPolicy;
pub use service::Retry;
