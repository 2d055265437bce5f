//! Rejects a growing share of the requests while the upstream turns more of them away than it accepts.
//!
//! The gradual sibling of the [circuit breaker](crate::circuit_breaker), for an upstream that is overloaded rather than
//! down: it has no open and no half-open state. It recovers gradually too: after an upstream that accepted
//! nothing at all, within two windows. Over a time window it counts the requests and those that the upstream accepted,
//! and rejects a request with the probability
//!
//! ```text
//! max(0, (requests - k · accepted) / (requests + 1))
//! ```
//!
//! which is the client-side throttling of "Handling Overload" in *Site Reliability Engineering* (Beyer et al., 2016,
//! chapter 21). With `k = 2`, the default, it begins to reject when the upstream accepts less than half, and lets through
//! about twice what the upstream accepts, so that it notices when more is possible. At most nine in ten are rejected.
//! Requests count when they have ended, so that a slow start is no overload.
//!
//! A request is accepted if its verdict is `Success`, `Declined` or `InProgress`. `Failure` and `Throttled` are not; an
//! `Ignored` or cancelled one counts for nothing.
//!
//! It differs from tower's `LoadShed` in that it judges what the upstream does, not whether the service is ready.
//!
//! ```
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::rules::ErrorsOnly;
//! use windbreak::throttle::{Throttle, ThrottleLayer};
//! use windbreak::Error;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), windbreak::InvalidConfig> {
//! let throttle = Throttle::builder("search").seed(1).build()?;
//! let client = ServiceBuilder::new()
//!     .layer(ThrottleLayer::new(throttle.clone(), ErrorsOnly))
//!     .map_err(Error::Service)
//!     .service(service_fn(|_: ()| async { Err::<(), _>("overloaded") }));
//!
//! assert_eq!(throttle.reject_ratio(), 0.0);
//! let mut sent = 0;
//! for _ in 0..1000 {
//!     sent +=
//!         usize::from(client.clone().oneshot(()).await.unwrap_err().service().is_some());
//! }
//! assert!(sent > 50 && sent < 250, "{sent} of 1000 were sent");
//! # Ok(())
//! # }
//! ```
//!
//! With every number chosen:
//!
//! ```
//! use std::time::Duration;
//! use windbreak::throttle::Throttle;
//!
//! # fn main() -> Result<(), windbreak::InvalidConfig> {
//! let throttle = Throttle::builder("search")
//!     .window(Duration::from_secs(60))
//!     .k(1.5)
//!     .max_reject_ratio(0.8)
//!     .minimum_calls(50)
//!     .build()?;
//! assert_eq!(throttle.name(), "search");
//! # Ok(())
//! # }
//! ```

mod builder;
mod core;
mod future;
mod handle;
mod layer;
mod service;
mod shared;

pub use builder::ThrottleBuilder;
pub use future::ResponseFuture;
pub use handle::Throttle;
pub use layer::ThrottleLayer;
pub use service::Throttled;
