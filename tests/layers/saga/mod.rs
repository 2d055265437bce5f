//! Sagas: what is undone, in which order, what is stuck, and what a dropped saga leaves.

mod dropped;
pub(crate) mod events;
mod helpers;
mod model;
mod property;
mod steps;
mod undos;
