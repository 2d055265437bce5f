//! The order, its states, and the rules by which news changes them. No clock, no database, no network.

mod event;
mod news;
mod order;
mod provider;
mod settle;

pub use event::Event;
pub use news::News;
pub use order::{Key, NewOrder, Order, State, Why, is_id};
pub use provider::Provider;
pub use settle::{Decision, decide};
