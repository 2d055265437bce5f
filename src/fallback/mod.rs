//! Answers instead, when nothing else could.
//!
//! The outermost layer: it turns what would be an error for the caller into an answer that is good enough: a value,
//! the result of a function, or the answer of another service. It steps in where the result was a failure, or a
//! rejection by a layer below; an answer in which the callee is well and says no passes through.
//!
//! ```
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::{Error, FallbackLayer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let client = ServiceBuilder::new()
//!     .layer(FallbackLayer::value("a cached answer"))
//!     .map_err(Error::Service)
//!     .service(service_fn(|_: ()| async { Err::<&str, _>("down") }));
//!
//! assert_eq!(client.oneshot(()).await, Ok("a cached answer"));
//! # }
//! ```
//!
//! Only when the circuit is open, and from another service:
//!
//! ```
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::{Error, FallbackLayer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let replica = service_fn(|id: u32| async move { Ok::<_, Error<&str>>(format!("{id} from the replica")) });
//!
//! let client = ServiceBuilder::new()
//!     .layer(FallbackLayer::service(replica).when(|result: Result<&String, &Error<&str>>| {
//!         result.is_err_and(Error::is_circuit_open)
//!     }))
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

pub use future::ResponseFuture;
pub use handler::{AsyncFunction, Function, Handler, OtherService, OtherServiceFuture, Value};
pub use layer::{Always, FallbackLayer, When};
pub use service::Fallback;
