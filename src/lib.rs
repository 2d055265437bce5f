// Beside the page on docs.rs there are no files: of two definitions of a link the first one counts.
#![cfg_attr(doc, doc = concat!("[storm]: ", env!("CARGO_PKG_REPOSITORY"), "/raw/HEAD/docs/storm.svg"))]
#![cfg_attr(doc, doc = concat!("[cookbook]: ", env!("CARGO_PKG_REPOSITORY"), "/blob/HEAD/docs/cookbook.md"))]
#![cfg_attr(doc, doc = concat!("[numbers]: ", env!("CARGO_PKG_REPOSITORY"), "/blob/HEAD/docs/cookbook.md#numbers-for-three-kinds-of-upstream"))]
#![cfg_attr(doc, doc = concat!("[benchmarks]: ", env!("CARGO_PKG_REPOSITORY"), "/blob/HEAD/BENCHMARKS.md"))]
#![cfg_attr(doc, doc = "")]
#![doc = include_str!("../README.md")]
// Some pages link to what only the feature has.
#![cfg_attr(not(feature = "http"), allow(rustdoc::broken_intra_doc_links))]
#![cfg_attr(docsrs, feature(doc_cfg))]
// Models in tests are written to be obvious. Their numbers are small, and one that underflows is to fail the test.
#![cfg_attr(
    test,
    allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::float_cmp,
        clippy::unchecked_time_subtraction,
        reason = "models in tests count in small numbers, and fail where they underflow"
    )
)]

pub mod bulkhead;
pub mod circuit_breaker;
pub mod fallback;
pub mod faults;
pub mod hedge;
pub mod rate_limit;
pub mod retry;
pub mod throttle;
pub mod timeout;

pub mod backoff;
pub mod dead_letter;
pub mod error;
pub mod failover;
#[cfg(feature = "http")]
pub mod http;
pub mod outbox;
pub mod per_key;
pub mod rules;
pub mod saga;
pub mod stack;
pub mod until_body_end;
pub mod verify;
pub mod window;

mod attempts;
mod boxed;
mod budget;
mod caught;
mod config;
mod deadline;
mod instance;
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
#[doc(inline)]
pub use faults::Faults;
#[doc(inline)]
pub use hedge::HedgeLayer;
#[doc(inline)]
pub use per_key::PerKeyLayer;
#[doc(inline)]
pub use rate_limit::RateLimitLayer;
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

/// The recipes are tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/cookbook.md")]
mod cookbook {}
