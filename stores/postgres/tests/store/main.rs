//! The store in PostgreSQL, on the server that `WINDBREAK_POSTGRES` names. Without one the tests say that they were skipped;
//! with `WINDBREAK_POSTGRES_REQUIRED=1` they fail instead.

#[path = "../../../support/mod.rs"]
mod support;

mod conformance;
mod cost;
mod failing;
mod killed;
mod listening;
mod server;
mod terminated;
mod transactions;
