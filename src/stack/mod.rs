//! The usual layers in one call.
//!
//! A [`Stack`] is total timeout, retry, circuit breaker, bulkhead and attempt timeout, in this order, around a client: one
//! set of rules, numbers that are checked against one another, and the client's error mapped into
//! [`Error::Service`](crate::Error::Service). It is a [`tower::Layer`](https://docs.rs/tower), makes a service that can be
//! named and cloned, and runs closures too.
//!
//! Build it once, and keep it: the circuit, the permits and the budget are what its services share. **A stack that is built
//! for each request protects nothing.** One stack for each upstream; where many hosts stand behind one client, see
//! `PerKeyLayer`.
//!
//! | what | default | setter |
//! |---|---|---|
//! | total timeout | 30 s, or three attempts where an attempt may take longer | [`total_timeout`](StackBuilder::total_timeout) |
//! | retry | 3 attempts, as [`RetryPolicy`](crate::RetryPolicy) has it, with a budget of its own | [`retry`](StackBuilder::retry) |
//! | circuit | opens when 90 of the last 100 attempts failed, or 18 of the first 20 | [`circuit`](StackBuilder::circuit) |
//! | bulkhead | 4,096 in flight; more wait in a queue, as long as the total timeout allows | [`bulkhead`](StackBuilder::bulkhead) |
//! | attempt timeout | 10 s, or the total timeout where that is shorter | [`attempt_timeout`](StackBuilder::attempt_timeout) |
//!
//! There is no fallback: only you know a substitute. Stack a [`FallbackLayer`](crate::FallbackLayer) above.
//!
//! Around a client that is a service, with rules for HTTP (feature `http`):
//!
#![cfg_attr(feature = "http", doc = "```")]
#![cfg_attr(not(feature = "http"), doc = "```ignore")]
//! use std::time::Duration;
//! use tower::{Layer, service_fn};
//! use windbreak::Stack;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let stack = Stack::http("search")
//!     .total_timeout(Duration::from_secs(5))
//!     .attempt_timeout(Duration::from_secs(2))
//!     .retry(|retry| retry.max_attempts(2))
//!     .build()?;
//!
//! let client = stack.layer(service_fn(|_: http::Request<String>| async {
//!     Ok::<_, std::io::Error>(http::Response::new(String::from("found")))
//! }));
//! let response = client.run(http::Request::new(String::new())).await?;
//! assert_eq!(response.status(), 200);
//! assert_eq!(stack.circuit().unwrap().snapshot().tally.calls, 1);
//! # Ok(())
//! # }
//! ```
//!
//! Around a function, for what is no service: a query, the call of an SDK. The closure makes a future for each attempt.
//!
//! ```
//! use windbreak::rules::ErrorsOnly;
//! use windbreak::Stack;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Every call may be repeated: it only reads.
//! let stack = Stack::new("ledger", ErrorsOnly.idempotent(|_: &()| true)).without_bulkhead().build()?;
//!
//! let account = String::from("7");
//! let balance = stack.call(|| async { if account == "7" { Ok(12) } else { Err("no such account") } }).await;
//! assert_eq!(balance.ok(), Some(12));
//! # Ok(())
//! # }
//! ```

mod builder;
mod call;
mod layer;
mod numbers;
mod service;

pub use builder::StackBuilder;
pub use layer::Plain;
pub use layer::Stack;
#[cfg(feature = "http")]
pub use layer::{HttpStack, WithBody};
#[cfg(feature = "http")]
pub use service::HttpStackService;
pub use service::StackService;
