//! Fails at once while the callee is known to be down.
//!
//! A [`Circuit`] watches how the calls to one callee go. While they go well it is *closed* and passes every request.
//! When too many fail, or are slow, it *opens*: requests are rejected at once, which spares the caller the wait
//! and the callee the load. After a wait it is *half-open* and lets a few requests through as probes; they decide
//! whether it closes or opens again.
//!
//! A [timeout](crate::timeout) bounds one slow call; the breaker spares the calls after it. Put the breaker inside
//! the retries, so that it sees each attempt, and outside the timeout of the attempt, so that it sees timeouts.
//!
//! **One circuit for each callee.** Clones of a circuit, and all services made from its layer, share its state.
//!
//! ```
//! use std::time::Duration;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::{Circuit, CircuitBreakerLayer, Error};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), windbreak::InvalidConfig> {
//! let payments = Circuit::builder("payments").count_window(10).minimum_calls(2).build()?;
//!
//! let client = ServiceBuilder::new()
//!     .layer(CircuitBreakerLayer::new(payments.clone()))
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
//! With every number chosen, a classifier of one's own, and an eye kept on it:
//!
//! ```
//! use std::time::Duration;
//! use windbreak::backoff::{Backoff, Jitter};
//! use windbreak::circuit_breaker::State;
//! use windbreak::{Circuit, CircuitBreakerLayer, Verdict};
//!
//! # fn main() -> Result<(), windbreak::InvalidConfig> {
//! let search = Circuit::builder("search")
//!     .time_window(Duration::from_secs(60))
//!     .failure_ratio(0.3)
//!     .minimum_calls(50)
//!     .slow_calls(Duration::from_secs(2), 0.8)
//!     .open_for(Backoff::exponential(Duration::from_secs(5)).max(Duration::from_secs(120)).jitter(Jitter::Equal))
//!     .probes(3)
//!     .build()?;
//!
//! let layer = CircuitBreakerLayer::new(search.clone()).classify(|result: Result<&u16, &std::io::Error>| {
//!     match result {
//!         Ok(404) => Verdict::Refused,
//!         Ok(_) => Verdict::Success,
//!         Err(_) => Verdict::Failure(windbreak::Failure::new(windbreak::Effect::Unknown)),
//!     }
//! });
//!
//! assert_eq!(search.state(), State::Closed);
//! search.force_open();
//! assert_eq!(*search.subscribe().borrow(), State::ForcedOpen);
//! search.reset();
//! assert_eq!(search.snapshot().tally.calls, 0);
//! # let _ = layer;
//! # Ok(())
//! # }
//! ```

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
