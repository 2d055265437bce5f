//! A bulkhead in front of which requests queue.

mod bounds;
mod layer;
mod service;

pub use layer::QueueingBulkheadLayer;
pub use service::QueueingBulkhead;
