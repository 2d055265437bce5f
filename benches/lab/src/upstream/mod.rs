//! The upstreams: a plain core for each ([`Model`]), and one service ([`Upstream`]) that puts a core behind a
//! `tower::Service` and counts what reaches it.
//!
//! A core has no clock and no runtime: `now` is passed in, counted from the start of the run, and so is the random generator.

mod bucket;
mod connections;
mod dying;
mod errors;
mod fault;
mod model;
mod outage;
mod pool;
mod service;
mod shard;
mod sharing;
mod shedder;
mod steady;
#[cfg(test)]
mod testing;

pub(crate) use bucket::Bucket;
pub(crate) use connections::Connections;
pub(crate) use dying::Dying;
pub(crate) use errors::Errors;
pub(crate) use fault::{Failed, Fault, Faults};
pub(crate) use model::Model;
pub(crate) use outage::{Down, Outage, Schedule};
pub(crate) use pool::Pool;
pub(crate) use service::{Body, Counts, Order, Upstream};
pub(crate) use shard::Shard;
pub(crate) use sharing::Sharing;
pub(crate) use shedder::Shedder;
pub(crate) use steady::Steady;
