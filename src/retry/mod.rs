//! Tries again, after a pause, when that is safe and the budget allows it.
//!
//! A failed attempt is repeated if it certainly had no effect, or if the request is idempotent: if sending it twice
//! is the same as sending it once. Of requests in general nothing of the kind is known, so say so with
//! `rules.idempotent(|request| ..)` if it is true; for HTTP the method tells.
//!
//! Retries are paid from a [`RetryBudget`], on by default, so that a callee that is down is not sent many times its
//! load. Rejections by an open circuit or a full bulkhead are not retried.
//!
//! Each attempt runs in a `tracing` span `attempt`, with `http.request.resend_count` (0 for the first) and, if it was
//! not good enough, `error.type`.
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
//!     .layer(RetryLayer::new(RetryPolicy::builder().build()?, ErrorsOnly.idempotent(|_: &()| true)))
//!     .map_err(Error::Service)
//!     .service(service_fn(|_: ()| async {
//!         if CALLS.fetch_add(1, Ordering::Relaxed) < 2 { Err("flaky") } else { Ok("third time lucky") }
//!     }));
//!
//! assert_eq!(client.oneshot(()).await, Ok("third time lucky"));
//! # Ok(())
//! # }
//! ```
//!
//! With every number chosen:
//!
//! ```
//! use std::time::Duration;
//! use windbreak::backoff::{Backoff, Jitter};
//! use windbreak::retry::RetryBudget;
//! use windbreak::rules::ErrorsOnly;
//! use windbreak::{RetryLayer, RetryPolicy};
//!
//! # fn main() -> Result<(), windbreak::InvalidConfig> {
//! let policy = RetryPolicy::builder()
//!     .max_attempts(4)
//!     .backoff(Backoff::exponential(Duration::from_millis(50)).max(Duration::from_secs(2)).jitter(Jitter::Equal))
//!     .max_elapsed(Duration::from_secs(10))
//!     .max_retry_after(Duration::from_secs(5))
//!     .budget(RetryBudget::new(0.1, 5)?)
//!     .build()?;
//! let layer = RetryLayer::new(policy, ErrorsOnly);
//! # let _ = layer;
//! # Ok(())
//! # }
//! ```

mod budget;
mod builder;
mod future;
mod layer;
mod policy;
mod service;
mod span;

pub use crate::attempts::Attempts;
pub use budget::RetryBudget;
pub use builder::RetryPolicyBuilder;
pub use future::ResponseFuture;
pub use layer::RetryLayer;
pub use policy::RetryPolicy;
pub use service::Retry;
