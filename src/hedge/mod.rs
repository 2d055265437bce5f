//! Sends a second attempt beside a slow first one.

mod future;
mod handle;
mod layer;
mod quantile;
mod race;
mod service;
mod shared;
mod watch;

pub use future::ResponseFuture;
pub use handle::{HedgeCounts, Hedging};
pub use layer::HedgeLayer;
pub use service::Hedge;
