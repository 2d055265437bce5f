//! Returns a substitute response when everything below it failed.
//!
//! It is the outermost layer but one. It replaces a result that would be an error for the caller by a response that is good
//! enough: a value, the result of a function, or the response of another service. It steps in if the result was a
//! failure, was throttled, or was ignored: a rejection by a layer below, or a mistake of the caller's own. A declined
//! response passes through.
//!
//! **A value and a function step in for writes too.** Use them around reads, or the caller takes an order that failed for one
//! that was placed.
//!
//! tower has no such layer: its `map_result` and `then` see a result, but not whether it is a failure, nor the request.
//! The layer emits no events.
//!
//! ```
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::rules::ErrorsOnly;
//! use windbreak::{Error, FallbackLayer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let client = ServiceBuilder::new()
//!     .layer(FallbackLayer::value("a cached response", ErrorsOnly))
//!     .map_err(Error::Service)
//!     .service(service_fn(|_: ()| async { Err::<&str, _>("down") }));
//!
//! assert_eq!(client.oneshot(()).await, Ok("a cached response"));
//! # }
//! ```
//!
//! Only when the circuit is open, and from another service:
//!
//! ```
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::rules::ErrorsOnly;
//! use windbreak::{Error, FallbackLayer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let replica = service_fn(|id: u32| async move {
//!     Ok::<_, Error<&str>>(format!("{id} from the replica"))
//! });
//!
//! let client = ServiceBuilder::new()
//!     .layer(
//!         FallbackLayer::service(replica, ErrorsOnly)
//!             .when(|result| result.is_err_and(Error::is_circuit_open)),
//!     )
//!     .map_err(Error::Service)
//!     .service(service_fn(|_: u32| async { Err::<String, _>("down") }));
//!
//! assert_eq!(client.oneshot(7).await, Err(Error::Service("down")));
//! # }
//! ```

mod future;
mod handler;
mod layer;
mod service;
mod shared;

pub use future::ResponseFuture;
pub use layer::FallbackLayer;
pub use service::Fallback;
