//! Bounds the time that a response may take.
//!
//! A stack has two. Outside the retries it bounds the whole request: queueing, attempts and pauses together.
//! Inside, directly above the client, it bounds one attempt, so that there is time left for another. The time counts from
//! the call of the service until the head of the response is there; `until_body_end()` (feature `http`) bounds the body
//! too. It does not bound what is outside of it, such as a fallback, nor `poll_ready`.
//!
//! It differs from tower's `Timeout` in three ways: its error is a [`Rejection`](crate::Rejection) that the other layers
//! understand; [`deadline()`](crate::deadline()) tells all code inside when it ends; and no timer is armed for a response
//! that is ready at once. tower-http's `Timeout` is for servers: it makes a response with a status.
//!
//! ```
//! use std::time::Duration;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::{Error, TimeoutLayer};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! let client = ServiceBuilder::new()
//!     .layer(TimeoutLayer::new(Duration::from_secs(1)))
//!     .map_err(Error::Service)
//!     .service(service_fn(|wait: Duration| async move {
//!         tokio::time::sleep(wait).await;
//!         Ok::<_, std::io::Error>("done")
//!     }));
//!
//! assert_eq!(client.clone().oneshot(Duration::from_millis(900)).await.unwrap(), "done");
//! assert!(client.oneshot(Duration::from_secs(60)).await.unwrap_err().is_timeout());
//! # }
//! ```
//!
//! Around the retries and for each attempt:
//!
//! ```
//! use std::time::Duration;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::rules::ErrorsOnly;
//! use windbreak::{Error, RetryLayer, RetryPolicy, TimeoutLayer};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), windbreak::InvalidConfig> {
//! let retry = RetryPolicy::builder().max_attempts(10).build()?;
//! let client = ServiceBuilder::new()
//!     .layer(TimeoutLayer::new(Duration::from_secs(5))) // the whole request
//!     .layer(RetryLayer::new(retry, ErrorsOnly.idempotent(|_: &()| true)))
//!     .layer(TimeoutLayer::new(Duration::from_secs(1))) // each attempt
//!     .map_err(Error::Service)
//!     .service(service_fn(|_: ()| std::future::pending::<Result<(), std::io::Error>>()));
//!
//! let start = tokio::time::Instant::now();
//! assert!(client.oneshot(()).await.unwrap_err().is_timeout());
//! assert!(start.elapsed() <= Duration::from_secs(5)); // retry does not even begin a pause that would last longer
//! # Ok(())
//! # }
//! ```

mod body_timer;
mod future;
mod layer;
mod place;
mod service;

pub use body_timer::BodyTimer;
pub use future::ResponseFuture;
pub use layer::TimeoutLayer;
pub use service::Timeout;
