//! Holds to a request rate.

mod gcra;
mod queue;
mod rate;
mod word;

pub use rate::{Rate, RateBuilder};
