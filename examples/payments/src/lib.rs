//! An order service that takes money through two payment providers, and what it takes to lose nothing and to do nothing
//! twice while everything fails. `src/main.rs` says how to run it.

pub mod audit;
pub mod clients;
pub mod domain;
pub mod drive;
pub mod gateway;
pub mod gauge;
pub mod http;
pub mod net;
pub mod provider;
pub mod receiver;
pub mod service;
pub mod simulation;
pub mod storage;
