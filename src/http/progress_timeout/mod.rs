//! Bounds the time without progress, instead of the whole transfer.
//!
//! An attempt timeout cuts off a large upload that is well under way, and a total timeout a large download. A
//! [`ProgressTimeoutLayer`] bounds the time between two frames: a transfer that makes progress lives, however long it
//! takes, and one that stalls ends.
//!
//! | | what is bounded | what is not |
//! |---|---|---|
//! | [`write`](ProgressTimeoutLayer::write) | how long the connection takes no further frame of the request | the time that your own body takes to make one |
//! | [`read`](ProgressTimeoutLayer::read) | how long the next frame of the response's body takes | the time until the head comes; the time in which you do not read |
//!
//! It differs from reqwest's `read_timeout` in that it also knows a write timeout, and in that its error holds a
//! [`Rejection`](crate::Rejection) that the layers above recognise. It belongs below the retries and the breaker, directly
//! above the client: a stalled upload ends as a timeout of the attempt.
//!
//! ```
//! use std::time::Duration;
//! use http_body_util::BodyExt;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::Error;
//! use windbreak::http::progress_timeout::ProgressTimeoutLayer;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let client = ServiceBuilder::new()
//!     .layer(
//!         ProgressTimeoutLayer::new()
//!             .write(Duration::from_secs(10))
//!             .read(Duration::from_secs(10)),
//!     )
//!     .map_err(Error::Service)
//!     .service(service_fn(|upload: http::Request<_>| async move {
//!         let length =
//!             BodyExt::collect(upload.into_body()).await.unwrap().to_bytes().len();
//!         let body = if length == 4 { "ok" } else { "no" };
//!         Ok::<_, std::io::Error>(http::Response::new(String::from(body)))
//!     }));
//!
//! let response = client.oneshot(http::Request::new(String::from("data"))).await?;
//! assert_eq!(response.into_body().collect().await?.to_bytes(), "ok");
//! # Ok(())
//! # }
//! ```
//!
//! Only downloads, around reqwest, whose types stay as they are:
//!
#![cfg_attr(feature = "reqwest", doc = "```")]
#![cfg_attr(not(feature = "reqwest"), doc = "```ignore")]
//! use std::time::Duration;
//! use tower::{Layer, Service};
//! use windbreak::ServiceErrorLayer;
//! use windbreak::http::progress_timeout::ProgressTimeoutLayer;
//!
//! fn client() -> reqwest::Result<impl Service<reqwest::Request, Response = reqwest::Response>> {
//!     let client = reqwest::Client::builder().retry(reqwest::retry::never()).build()?;
//!     Ok(ProgressTimeoutLayer::new().read(Duration::from_secs(5)).layer(ServiceErrorLayer.layer(client)))
//! }
//! # let _ = client();
//! ```

mod future;
mod layer;
mod limits;
mod progress;
mod request;
mod service;

pub use future::ResponseFuture;
pub use layer::ProgressTimeoutLayer;
pub use progress::ReadTimer;
pub use request::{WatchBody, WatchedBody};
pub use service::ProgressTimeout;
