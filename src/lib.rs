#![doc = include_str!("../README.md")]
// The README speaks of all features, and links to nothing where one of them is off.
#![cfg_attr(not(all(feature = "http", feature = "per-key")), allow(rustdoc::broken_intra_doc_links))]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod fallback;
pub mod timeout;
pub mod retry;
pub mod circuit_breaker;
pub mod bulkhead;

pub mod backoff;
pub mod classify;
pub mod error;
pub mod extent;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "per-key")]
pub mod per_key;
pub mod window;

mod deadline;
mod oneshot;
mod sync;
mod timer;

pub use bulkhead::BulkheadLayer;
pub use circuit_breaker::{Circuit, CircuitBreakerLayer};
pub use classify::{Effect, Failure, Verdict};
pub use deadline::deadline;
pub use error::{Error, InvalidConfig, Rejection};
pub use fallback::FallbackLayer;
#[cfg(feature = "per-key")]
pub use per_key::PerKeyLayer;
pub use retry::{RetryLayer, RetryPolicy};
pub use timeout::TimeoutLayer;
