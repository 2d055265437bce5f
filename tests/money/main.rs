//! Two payment providers behind real sockets, which count for themselves, and the whole stack for payments in front of
//! them: under random faults, what the servers counted is what the callers were told.

#[path = "../support/mod.rs"]
mod support;

mod books;
mod check;
mod fault;
mod gateway;
mod orders;
mod provider;
mod stacks;
mod storm;
mod told;
