//! A bulkhead whose limit follows the upstream.

mod adapt;
mod config;
mod future;
mod latency;
mod layer;
mod sample;
mod service;
mod shared;

pub use config::Adapt;
pub use future::AdaptiveResponseFuture;
pub use layer::AdaptiveBulkheadLayer;
pub use service::Adaptive;
