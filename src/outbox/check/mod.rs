//! What a store owes, fact by fact.

mod broken;
mod claiming;
mod fact;
mod in_flight;
mod parking;
mod settling;
mod suite;
mod times;

pub use broken::Broken;
pub use suite::check;
