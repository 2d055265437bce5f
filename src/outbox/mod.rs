//! Messages that are written with the data they tell of, and delivered at least once.

pub mod postgres;
pub mod sqlite;

mod builder;
mod check;
mod claim;
mod counts;
mod delivery;
mod error;
mod handle;
mod memory;
mod message;
mod numbers;
mod parked;
mod plan;
mod relay;
mod settlement;
mod settling;
mod shared;
mod store;

pub use builder::RelayBuilder;
pub use check::{Broken, check};
pub use claim::{Claim, Claimed, Lease};
pub use error::StoreError;
pub use handle::RelayHandle;
pub use memory::{MemoryStore, State};
pub use message::Message;
pub use parked::{Parked, ParkedHead};
pub use relay::Relay;
pub use settlement::Settlement;
pub use store::{NEVER, Store};
