//! The whole story over sockets and a real database: providers that fail, an order service that is killed, and the audit.

mod child;
mod counter;
mod database;
mod progress;
mod run;
mod weather;
mod world;

pub use child::Child;
pub use database::{Home, Place, sqlite};
pub use run::{Drive, Driven, drive};
pub use world::World;
