//! The order service: takes orders, hears callbacks, sweeps, tells the rest of the company.

mod callback;
mod events;
mod naive;
mod place;
mod reconcile;
mod relay;
mod replay;
mod reply;
mod shop;
mod strategies;
mod sweep;

pub use callback::Heard;
pub use events::{Delivery, EventError};
pub use reconcile::{Reconciled, compare};
pub use relay::relay;
pub use replay::Replayed;
pub use reply::Reply;
pub use shop::Shop;
pub use sweep::Unswept;
