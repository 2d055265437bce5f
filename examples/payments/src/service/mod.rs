//! The order service: takes orders, hears callbacks, sweeps, tells the rest of the company.

mod callback;
mod events;
mod place;
mod relay;
mod reply;
mod shop;
mod sweep;

pub use callback::Heard;
pub use events::{Delivery, EventError};
pub use relay::relay;
pub use reply::Reply;
pub use shop::Shop;
pub use sweep::Unswept;
