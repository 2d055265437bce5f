//! A layer for each key.

mod eviction;
mod helpers;
mod idle;
mod inner;
mod keys;
mod overflow;
mod users_code;
mod what_layers_remember;
