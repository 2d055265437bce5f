//! Bounds the requests in flight, so that one slow callee cannot take the whole program with it.
//!
//! At most `limit` requests are in flight at once. A further one is rejected at once, or queues for a place if it
//! may: first come, first served. A [circuit breaker](crate::circuit_breaker) acts on how calls *went*; the bulkhead
//! acts before there is any answer to judge.
//!
//! Requests are admitted when they are called, not when the service is asked whether it is ready: an idle clone
//! holds no place.
//!
//! ```
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::{BulkheadLayer, Error};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), windbreak::InvalidConfig> {
//! let client = ServiceBuilder::new()
//!     .layer(BulkheadLayer::new(1)?)
//!     .map_err(Error::Service)
//!     .service(service_fn(|_: ()| async {
//!         tokio::task::yield_now().await;
//!         Ok::<_, std::io::Error>(())
//!     }));
//!
//! let (first, second) = tokio::join!(client.clone().oneshot(()), client.clone().oneshot(()));
//! assert!(first.is_ok());
//! assert!(second.unwrap_err().is_bulkhead_full());
//! assert!(client.oneshot(()).await.is_ok());
//! # Ok(())
//! # }
//! ```
//!
//! A place is held until the head of the answer is there. What the body still streams is not bounded, so that
//! server-sent events and long downloads do not fill the bulkhead for ever. Where it is the bodies that weigh, use
//! `until_body_end` (feature `http`).
//!
//! With a queue, and resized while it runs:
//!
//! ```
//! use std::time::Duration;
//! use windbreak::BulkheadLayer;
//!
//! # fn main() -> Result<(), windbreak::InvalidConfig> {
//! let layer = BulkheadLayer::new(64)?.max_wait(Duration::from_millis(100)).max_queue(32);
//! let semaphore = layer.semaphore();
//! semaphore.resize(128)?;
//! assert_eq!((semaphore.limit(), semaphore.in_flight(), semaphore.queued()), (128, 0, 0));
//! # Ok(())
//! # }
//! ```

mod adaptive;
mod future;
mod layer;
mod queue;
mod queueing;
mod semaphore;
mod service;
mod word;

pub use adaptive::{Adapt, Adaptive, AdaptiveBulkheadLayer, AdaptiveResponseFuture};
pub use future::ResponseFuture;
pub use layer::BulkheadLayer;
pub use queueing::{QueueingBulkhead, QueueingBulkheadLayer, QueueingResponseFuture};
pub use semaphore::{Permit, Semaphore};
pub use service::Bulkhead;
