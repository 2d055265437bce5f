//! The usual layers in one call.
//!
//! A [`Stack`] is total timeout, retry, circuit breaker, bulkhead and attempt timeout, in this order, around a client: one
//! set of rules, numbers that are checked against one another, and the client's error mapped into
//! [`Error::Service`](crate::Error::Service). It is a [`tower::Layer`](https://docs.rs/tower), makes a service that can be
//! named and cloned, and runs closures too.
//!
//! Build it once, and keep it: the circuit, the permits and the budget are what its services share. **A stack that is built
//! for each request protects nothing.** One stack for each upstream; where many hosts stand behind one client, see
//! [`PerKeyLayer`](crate::PerKeyLayer). With tower's `ServiceBuilder` you choose and order the layers yourself; a `Stack` does
//! it, and checks the numbers.
//!
//! | what | default | setter |
//! |---|---|---|
//! | total timeout | 30 s, or three times the attempt timeout if that is longer | [`total_timeout`](StackBuilder::total_timeout) |
//! | retry | 3 attempts, as [`RetryPolicy`](crate::RetryPolicy) has it; a further attempt waits for a circuit that opens in the meantime; the budget is 20 % of the requests over 10 s, plus 100 | [`retry`](StackBuilder::retry) |
//! | circuit | opens when at least the last 20 attempts, and all of the last 2.5 s, have failed; stays open 1 s, growing by an eighth each time up to 30 s, with jitter down to half; 1 probe, which may take 30 s, or as long as an attempt. With a `time_window` set `failure_ratio` too: at 1.0 all calls in the window must have failed | [`circuit`](StackBuilder::circuit) |
//! | bulkhead | 4,096 in flight until the heads of their responses; more wait in a queue, as long as the total timeout allows | [`bulkhead`](StackBuilder::bulkhead) |
//! | attempt timeout | 10 s, or the total timeout where that is shorter: set it then, or one hung attempt uses up all the time | [`attempt_timeout`](StackBuilder::attempt_timeout) |
//!
//! An upstream that still serves some requests well is overloaded, not down: these numbers let its responses through, and
//! the retry budget bounds what the others cost. They were chosen by a simulation of some 160 partial failures and outages,
//! in which no client may get fewer good responses for putting a stack in place of a bare client. What each trades:
//!
//! - a lower `failure_ratio`, or a shorter `minimum_span`, opens sooner, and opens also for a restart or for a rate of
//!   errors that retries would have hidden;
//! - a shorter attempt timeout notices a hang sooner, and cuts off what is slow but fine;
//! - a smaller bulkhead bounds memory and connections more tightly, and makes bursts wait.
//!
//! Other parts were simulated in the same scenarios:
//!
//! - a circuit that opens when half of 20 attempts have failed, as circuits usually do: in 30 scenarios fewer good responses
//!   than a bare client gets;
//! - a [throttle](crate::throttle) in place of the circuit: it lets a tenth of the requests through an outage, and still
//!   rejects after it. At 10 requests a second, with an outage of 6 s in 49 s, 75 % get a good response, and 87 % with
//!   the circuit;
//! - a bulkhead whose limit [adapts](crate::bulkhead#a-limit-that-adapts): better where an upstream sheds load (at twice
//!   its capacity 87 % get a good response, and 50 % without), and worse where a limit that starts at 20 is too low for
//!   what is slow but fine (19 % of 100 requests a second that take 2.2 s each). Use it where you know where to start, with
//!   `ServiceBuilder`: a `Stack` does not take it.
//!
//! Mistakes that no compiler finds: a breaker without a timeout inside does not see an upstream that hangs; a breaker
//! outside the retries sees requests, not attempts; a timeout only outside the retries leaves no time for a second attempt.
//! `Stack` puts them in the order that works.
//!
//! There is no fallback: only you know a substitute. Put a [`FallbackLayer`](crate::FallbackLayer) above.
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

mod body;
mod builder;
mod call;
mod layer;
mod numbers;
mod service;

pub use body::Plain;
#[cfg(feature = "http")]
pub use body::WithBody;
pub use builder::StackBuilder;
#[cfg(feature = "http")]
pub use layer::HttpStack;
pub use layer::Stack;
#[cfg(feature = "http")]
pub use service::HttpStackService;
pub use service::StackService;
