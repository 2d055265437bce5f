//! Limits the request rate.
//!
//! At most `burst + floor(w * rate)` passes in any span of time `w`, and nothing is refused that would fit. A request
//! above the rate is rejected at once with the time after which it would pass, or queues if it may: first come, first
//! served. A [bulkhead](crate::bulkhead) bounds how many requests are in flight at once; a rate limit bounds how many
//! start, however fast the upstream is. Use it for a quota that the upstream publishes.
//!
//! tower's `RateLimit` counts in fixed windows, so that twice the number may pass around the end of a window; it makes
//! callers wait in `poll_ready` for as long as it takes, and its service cannot be cloned. This one bounds every span of
//! time, rejects or queues with a bound, and its clones share the limit.
//!
//! ```
//! use std::time::Duration;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::rate_limit::Rate;
//! use windbreak::{Error, RateLimitLayer};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), windbreak::InvalidConfig> {
//! let client = ServiceBuilder::new()
//!     .layer(RateLimitLayer::new(Rate::per_second(50).burst(2)?))
//!     .map_err(Error::Service)
//!     .service(service_fn(|_: ()| async { Ok::<_, std::io::Error>(()) }));
//!
//! assert!(client.clone().oneshot(()).await.is_ok());
//! assert!(client.clone().oneshot(()).await.is_ok());
//! let error = client.clone().oneshot(()).await.unwrap_err();
//! assert!(error.is_rate_limited());
//! assert_eq!(error.retry_after(), Some(Duration::from_millis(20)));
//!
//! tokio::time::sleep(Duration::from_millis(20)).await;
//! assert!(client.oneshot(()).await.is_ok());
//! # Ok(())
//! # }
//! ```
//!
//! What has passed is not given back, however the request ends: the upstream has counted it too. A rejection by a rate
//! limit is [`Ignored`](crate::Verdict::Ignored): it says nothing of the upstream, and is not retried,
//! unless [`wait_for_circuit`](crate::retry::RetryPolicyBuilder::wait_for_circuit) lets a further attempt wait.
//!
//! With a queue, requests that cost more than others, and a rate that changes while it runs:
//!
//! ```
//! use std::time::Duration;
//! use tokio::time::Instant;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::rate_limit::Rate;
//! use windbreak::{Error, RateLimitLayer};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), windbreak::InvalidConfig> {
//! let layer = RateLimitLayer::new(Rate::per_minute(60).burst(10)?)
//!     .max_wait(Duration::from_secs(5))
//!     .max_queue(100)
//!     .cost(|batch: &Vec<u32>| batch.len().try_into().unwrap_or(u32::MAX));
//! let limit = layer.limit().clone();
//! let client = ServiceBuilder::new()
//!     .layer(layer)
//!     .map_err(Error::Service)
//!     .service(service_fn(|_: Vec<u32>| async { Ok::<_, std::io::Error>(()) }));
//!
//! let start = Instant::now();
//! assert!(client.clone().oneshot(vec![0; 8]).await.is_ok());
//! assert_eq!(limit.available(), 2);
//! // Four more cost two more than there is: two seconds.
//! assert!(client.clone().oneshot(vec![0; 4]).await.is_ok());
//! assert_eq!(start.elapsed(), Duration::from_secs(2));
//!
//! limit.set(Rate::per_minute(30).burst(10)?);
//! // The next two cost four seconds by now.
//! assert!(client.clone().oneshot(vec![0; 2]).await.is_ok());
//! assert_eq!(start.elapsed(), Duration::from_secs(6));
//!
//! // Eleven never pass at once, and six would not within five seconds: both are rejected now.
//! assert_eq!(client.clone().oneshot(vec![0; 11]).await.unwrap_err().retry_after(), None);
//! assert_eq!(
//!     client.oneshot(vec![0; 6]).await.unwrap_err().retry_after(),
//!     Some(Duration::from_secs(12))
//! );
//! assert_eq!(start.elapsed(), Duration::from_secs(6));
//! # Ok(())
//! # }
//! ```
//!
//! With [`obey`](RateLimitLayer::obey) it obeys the limit that the upstream announces. The layer emits no events.
//!
//! For one limit for each host or tenant, use a [`PerKeyLayer`](crate::PerKeyLayer) with a
//! [`sibling`](RateLimitLayer::sibling) for each. It forgets no limit before the whole burst is back, however many others
//! come:
//!
//! ```
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::rate_limit::Rate;
//! use windbreak::{Error, PerKeyLayer, RateLimitLayer};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), windbreak::InvalidConfig> {
//! let any_tenant = RateLimitLayer::new(Rate::per_hour(100).burst(1)?);
//! let per_tenant = PerKeyLayer::new(1024, |tenant: &&str| *tenant, move |_| any_tenant.sibling())?;
//! let client = ServiceBuilder::new()
//!     .layer(per_tenant)
//!     .map_err(Error::Service)
//!     .service(service_fn(|_: &'static str| async { Ok::<_, std::io::Error>(()) }));
//!
//! assert!(client.clone().oneshot("one").await.is_ok());
//! assert!(client.clone().oneshot("one").await.unwrap_err().is_rate_limited());
//! assert!(client.oneshot("another").await.is_ok());
//! # Ok(())
//! # }
//! ```

mod cost;
mod future;
mod gcra;
mod layer;
mod limit;
mod obey;
mod queue;
mod rate;
mod service;
mod shared;
mod waiting;
mod word;

pub use cost::{Cost, CostFn, UnitCost};
pub use future::ResponseFuture;
pub use layer::RateLimitLayer;
pub use limit::RateLimit;
pub use obey::{LimitObserver, Obey, ObeyNothing, Obeying, Observe, Observer, UpstreamLimit};
pub use rate::{Rate, RateBuilder};
pub use service::RateLimited;
