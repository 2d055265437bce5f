//! Every fact on both databases: SQLite, and the PostgreSQL server that `WINDBREAK_POSTGRES` names. Without one these tests
//! say that they were skipped; with `WINDBREAK_POSTGRES_REQUIRED=1` they fail instead.

#![allow(clippy::unwrap_used, reason = "all of it is tests, and what fails here fails one of them")]

mod answers;
mod bad_input;
mod databases;
mod events;
mod money;
mod orders;
mod repair;
mod shop;
mod sweep;
