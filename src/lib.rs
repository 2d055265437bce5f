#![doc = include_str!("../README.md")]
// The README speaks of all features, and links to nothing where one of them is off.
#![cfg_attr(not(all(feature = "http", feature = "per-key")), allow(rustdoc::broken_intra_doc_links))]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod bulkhead;
pub mod circuit_breaker;
pub mod fallback;
pub mod retry;
pub mod throttle;
pub mod timeout;

pub mod backoff;
pub mod dead_letter;
pub mod error;
pub mod failover;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "per-key")]
pub mod per_key;
pub mod rules;
pub mod saga;
pub mod stack;
pub mod until_body_end;
pub mod verify;
pub mod window;

mod attempts;
mod boxed;
mod caught;
mod config;
mod deadline;
mod macros;
mod oneshot;
mod provider;
mod sync;

#[doc(inline)]
pub use bulkhead::BulkheadLayer;
#[doc(inline)]
pub use circuit_breaker::{Circuit, CircuitBreakerLayer};
#[doc(inline)]
pub use config::InvalidConfig;
#[doc(inline)]
pub use dead_letter::DeadLetterLayer;
#[doc(inline)]
pub use deadline::deadline;
#[doc(inline)]
pub use error::{Error, Rejection, ServiceErrorLayer};
#[doc(inline)]
pub use failover::Failover;
#[doc(inline)]
pub use fallback::FallbackLayer;
#[cfg(feature = "per-key")]
#[doc(inline)]
pub use per_key::PerKeyLayer;
#[doc(inline)]
pub use retry::{RetryLayer, RetryPolicy};
#[doc(inline)]
pub use rules::{Effect, Failure, Verdict};
#[doc(inline)]
pub use saga::{Saga, SagaError};
#[doc(inline)]
pub use stack::{Stack, StackService};
#[doc(inline)]
pub use throttle::ThrottleLayer;
#[doc(inline)]
pub use timeout::TimeoutLayer;
#[doc(inline)]
pub use verify::{Verified, VerifyLayer};
