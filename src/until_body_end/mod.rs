//! Makes a layer end with the **body** of the response instead of with its head.
//!
//! By default a layer ends with the head of the response: the permit of the bulkhead is given back, the timeout stops, and
//! the breaker records its verdict. That is right for server-sent events, long polls and large
//! downloads. Where the bodies are the work, `until_body_end()` of a [`TimeoutLayer`](crate::TimeoutLayer), a
//! [`CircuitBreakerLayer`](crate::CircuitBreakerLayer) or a [`BulkheadLayer`](crate::BulkheadLayer) wraps it in an
//! [`UntilBodyEndLayer`] (feature `http`).
//!
//! | how the body ends | timeout | breaker | bulkhead |
//! |---|---|---|---|
//! | at its end, or at trailers | stops | records a success | gives the permit back |
//! | with an error, or a panic | stops | records a failure | gives the permit back |
//! | the caller drops it | stops | records a success | gives the permit back |
//! | the timeout elapses first | ends it with an `io::Error` of kind `TimedOut` that holds the [`Rejection`](crate::Rejection) | records a failure if the timeout is below it, and a success if above | gives the permit back |
//!
//! Time in which the caller does not read is not time of the upstream: it does not make a call slow. A response that can
//! have no body (to a `HEAD`; 204, 304; `Content-Length: 0`) is settled with its head.
//!
//! The response futures can be polled in two ways: as futures, which settle what they hold when the response is there;
//! and by [`Hold`], which hands it over with the response. The adapter polls by [`Hold`], and puts the [`Guard`] into the
//! body.
#![cfg_attr(feature = "http", doc = "```")]
#![cfg_attr(not(feature = "http"), doc = "```ignore")]
//! use std::time::Duration;
//! use http_body_util::BodyExt as _;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::{BulkheadLayer, Error};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let bulkhead = BulkheadLayer::new(64)?;
//! let semaphore = bulkhead.semaphore().clone();
//! let client = ServiceBuilder::new()
//!     .layer(bulkhead.until_body_end())
//!     .map_err(Error::Service)
//!     .service(service_fn(|_: http::Request<()>| async {
//!         Ok::<_, std::io::Error>(http::Response::new(String::from("hello")))
//!     }));
//!
//! let response = client.oneshot(http::Request::new(())).await?;
//! assert_eq!(semaphore.in_flight(), 1);
//! assert_eq!(response.into_body().collect().await?.to_bytes(), "hello");
//! assert_eq!(semaphore.in_flight(), 0);
//! # Ok(())
//! # }
//! ```

mod guard;

#[cfg(feature = "http")]
mod adapter;
#[cfg(feature = "http")]
mod body;
#[cfg(feature = "http")]
mod future;

pub(crate) use guard::Sealed;
pub use guard::{Guard, Hold};

#[cfg(feature = "http")]
pub use adapter::{UntilBodyEnd, UntilBodyEndLayer};
#[cfg(feature = "http")]
pub use body::{GuardBody, GuardedBody, JudgeTrailers};
#[cfg(feature = "http")]
pub use future::ResponseFuture;
