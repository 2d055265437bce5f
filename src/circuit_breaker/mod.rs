//! Fails at once while the upstream is known to be down.
//!
//! A [`Circuit`] watches how the calls to one upstream end. While they go well it is *closed* and admits every request.
//! When too many fail, or are slow, it *opens*: requests are rejected at once, which saves the caller the wait
//! and the upstream the load. After a wait it is *half-open* and admits a few requests as probes; they decide
//! whether it closes or opens again.
//!
//! A [timeout](crate::timeout) bounds one slow call; the breaker rejects the calls after it. Put the breaker inside
//! the retries, so that it sees each attempt, and outside the timeout of the attempt, so that it sees timeouts. tower has
//! no circuit breaker; `tower::load_shed` rejects while the *inner service* is busy, whatever its calls result in.
//!
//! **One circuit for each upstream.** Clones of a circuit, and all services made from its layer, share its state.
//!
//! ```
//! use std::time::Duration;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::rules::ErrorsOnly;
//! use windbreak::{Circuit, CircuitBreakerLayer, Error};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), windbreak::InvalidConfig> {
//! let payments = Circuit::builder("payments")
//!     .count_window(10)
//!     .minimum_calls(2)
//!     .build()?;
//!
//! let client = ServiceBuilder::new()
//!     .layer(CircuitBreakerLayer::new(payments.clone(), ErrorsOnly))
//!     .map_err(Error::Service)
//!     .service(service_fn(|_: ()| async { Err::<(), _>("down") }));
//!
//! for _ in 0..2 {
//!     assert_eq!(client.clone().oneshot(()).await, Err(Error::Service("down")));
//! }
//! let error = client.oneshot(()).await.unwrap_err();
//! assert!(error.is_circuit_open());
//! assert!(error.retry_after().unwrap() <= Duration::from_secs(30));
//! # Ok(())
//! # }
//! ```
//!
//! With every number chosen, rules of your own, and a look at its state:
//!
//! ```
//! use std::time::Duration;
//! use windbreak::backoff::Backoff;
//! use windbreak::circuit_breaker::State;
//! use windbreak::rules::rules_fn;
//! use windbreak::{Circuit, CircuitBreakerLayer, Error, Verdict};
//!
//! # fn main() -> Result<(), windbreak::InvalidConfig> {
//! let search = Circuit::builder("search")
//!     .time_window(Duration::from_secs(60))
//!     .failure_ratio(0.3)
//!     .minimum_calls(50)
//!     .minimum_span(Duration::from_secs(1))
//!     .slow_calls(Duration::from_secs(2), 0.8)
//!     .abandoned_after(Duration::from_secs(5))
//!     .open_for(
//!         Backoff::exponential(Duration::from_secs(1))
//!             .factor(1.25)
//!             .max(Duration::from_secs(30)),
//!     )
//!     .probes(3)
//!     .probe_timeout(Duration::from_secs(10))
//!     .recover_over(Duration::from_secs(20))
//!     .build()?;
//!
//! let rules = rules_fn(|result: Result<&u16, &Error<std::io::Error>>| match result {
//!     Ok(404) => Verdict::Declined,
//!     Ok(_) => Verdict::Success,
//!     Err(error) => error.rejection().map_or(Verdict::UNKNOWN, Verdict::from),
//! });
//! let layer = CircuitBreakerLayer::new(search.clone(), rules);
//!
//! assert_eq!(search.state(), State::Closed);
//! search.force_open();
//! assert_eq!(search.subscribe().state(), State::ForcedOpen);
//! search.reset();
//! assert_eq!(search.snapshot().tally.calls, 0);
//! # let _ = layer;
//! # Ok(())
//! # }
//! ```
//!
//! # What is recorded
//!
//! | how a call ends | recorded as |
//! |---|---|
//! | [`Success`](crate::Verdict::Success), `Declined`, `Throttled`, `InProgress` | a success, also of a probe |
//! | [`Failure`](crate::Verdict::Failure); a panic; an error of the inner service's `poll_ready` that the rules call a failure | a failure |
//! | [`Ignored`](crate::Verdict::Ignored), which most rejections by layers below are | nothing |
//! | cancelled (dropped) | nothing; a failure once it ran for [`abandoned_after`](CircuitBuilder::abandoned_after); slow if it already was |
//! | with `until_body_end`, a head that is not good | at once, as above |
//! | with `until_body_end`, a body that breaks off, or panics | a failure |
//! | with `until_body_end`, a body that ends, or that the caller drops | a success |
//! | after the circuit changed its state | nothing |
//!
//! A call is slow if it took longer than the threshold, from admission to its end, without the time that windbreak's own
//! layers made it wait and without the time in which the caller did not read the body.
//!
//! # Events
//!
//! Every change of state is one `tracing` event, `circuit changed state`, of the target `windbreak::circuit_breaker::events`.
//! A circuit that opens is told at `WARN`, every other change at `INFO`. Subscribers of the state are told before.
//!
//! | field | |
//! |---|---|
//! | `name` | the name of the circuit |
//! | `from`, `to` | the states: `closed`, `open`, `half_open`, `recovering`, `forced_open`, `forced_closed`, `observe_only` |
//! | `failure_ratio`, `slow_ratio` | the share of calls behind the change that failed, and that were slow; absent without calls |
//! | `calls` | the number of these calls |
//! | `cause` | only of a circuit that opens by itself: what the last failure was, as [`Classify::error_type`](crate::rules::Classify::error_type) names it; or `slow`, `abandoned` (a call cancelled late), `panic`, `body` (a body that broke off), `probe_timeout`, `cancelled` (cancelled probes that add up to a timeout) |

mod admission;
mod breaker;
mod causes;
mod circuit;
mod config;
mod events;
mod future;
mod layer;
mod machine;
mod permit;
mod probes;
mod recovery;
mod service;
mod settings;
mod shared;
mod state;
mod step;
mod thresholds;
mod ticket;
mod tracker;
mod wait;
mod watcher;
mod word;

pub use circuit::{Circuit, Snapshot};
pub use config::CircuitBuilder;
pub use future::ResponseFuture;
pub use layer::CircuitBreakerLayer;
pub use permit::Permit;
pub use service::CircuitBreaker;
pub use state::State;
pub use watcher::StateWatcher;
