//! The store in SQLite, on files.

#[path = "../../../support/mod.rs"]
mod support;

mod conformance;
mod cost;
mod failing;
mod files;
mod killed;
mod transactions;
