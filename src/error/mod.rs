//! One flat error for a whole stack, whatever its layers are.
//!
//! Every layer keeps the error type of the service that it wraps, and asks only that it can carry a [`Rejection`]: that is
//! [`Rejectable`]. [`Error<E>`] is the ready-made one. [`ServiceErrorLayer`] directly above a client, or
//! `.map_err(Error::Service)`, puts the client's error in; from there on the type stays `Error<E>`.
//!
//! ```
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::{BulkheadLayer, Error, TimeoutLayer};
//! # use std::time::Duration;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), windbreak::InvalidConfig> {
//! let client =
//!     service_fn(|name: &'static str| async move { Err::<(), _>(std::fmt::Error) });
//!
//! let stack = ServiceBuilder::new()
//!     .layer(TimeoutLayer::new(Duration::from_secs(1)))
//!     .layer(BulkheadLayer::new(64)?)
//!     .map_err(Error::Service)
//!     .service(client);
//!
//! let error: Error<std::fmt::Error> = stack.oneshot("who").await.unwrap_err();
//! assert_eq!(error.service(), Some(&std::fmt::Error));
//! # Ok(())
//! # }
//! ```
//!
//! A rejection is found again in any error that has it among its sources, such as the body error of a client:
//!
//! ```
//! use std::time::Duration;
//! use windbreak::{Error, Rejection};
//!
//! let boxed: Box<dyn std::error::Error> =
//!     Error::<std::io::Error>::from(Rejection::timeout(Duration::from_secs(1))).into();
//! assert_eq!(boxed.to_string(), "timeout");
//! assert_eq!(Rejection::find_in(&*boxed).unwrap().to_string(), "no response within 1s");
//! ```

mod any;
mod chain;
mod rejectable;
mod rejection;
mod service;

pub(crate) use chain::chain;

pub use any::{Error, Retried};
pub use rejectable::Rejectable;
pub(crate) use rejectable::{effect_of_rejection, verdict_of_rejection};
pub use rejection::Rejection;
pub use service::{ServiceError, ServiceErrorFuture, ServiceErrorLayer};
