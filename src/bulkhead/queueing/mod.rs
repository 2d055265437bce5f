//! A bulkhead in front of which requests queue.

mod bounds;
mod future;
mod layer;
mod queued;
mod service;

pub use future::QueueingResponseFuture;
pub use layer::QueueingBulkheadLayer;
pub use service::QueueingBulkhead;
