//! The way to the providers: one API each, and around both the layers that keep an order from being charged twice.

mod alpha;
mod api;
mod beta;
mod build;
mod charge;
mod client;
mod rules;
mod sending;
mod wire;

pub use api::{Api, CallbackNews, Found, Listed};
pub use build::{Gateway, Numbers, Side};
pub use charge::{Answer, Charge, PayError};
pub use client::Client;
pub use rules::{PayRules, effect};
pub use wire::{Wire, WireError};
