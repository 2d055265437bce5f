//! The library's sources, compiled over [loom](https://docs.rs/loom): over its atomics and locks a test is run again and
//! again, each time with the threads meeting in another order. The models are in `tests/`.
//!
//! ```text
//! cargo clippy -p interleavings --tests
//! cargo test --release -p interleavings
//! LOOM_MAX_PREEMPTIONS=3 cargo test --release -p interleavings     # deeper, and much longer
//! ```
//!
//! The sources are included, not depended upon, because they must be compiled against this crate's `sync`. That needs
//! no `cfg` in them, and spares the dependencies the global `--cfg loom`, which tokio and hyper take for their own.

#![allow(dead_code, unused_imports, reason = "what the models do not use is used in the library")]
#![allow(clippy::must_use_candidate, reason = "the stand-ins in `sync` are as strict as what they stand for")]

// In the sources `tokio` is this crate: tokio's own clock, timers and tasks, but the channels of `sync`.
extern crate self as tokio;

pub use tokio_itself::{task, time};

pub mod sync;

#[path = "../../src/attempts.rs"]
mod attempts;
#[path = "../../src/backoff.rs"]
pub mod backoff;
#[path = "../../src/boxed.rs"]
mod boxed;
#[path = "../../src/budget/mod.rs"]
mod budget;
#[path = "../../src/bulkhead/mod.rs"]
pub mod bulkhead;
#[path = "../../src/circuit_breaker/mod.rs"]
pub mod circuit_breaker;
#[path = "../../src/rules/mod.rs"]
pub mod rules;
#[path = "../../src/deadline/mod.rs"]
mod deadline;
#[path = "../../src/error/mod.rs"]
pub mod error;
#[path = "../../src/hedge/mod.rs"]
pub mod hedge;
#[path = "../../src/until_body_end/mod.rs"]
pub mod until_body_end;
#[path = "../../src/instance.rs"]
mod instance;
#[path = "../../src/macros.rs"]
mod macros;
#[path = "../../src/oneshot.rs"]
mod oneshot;
#[path = "../../src/provider.rs"]
mod provider;
#[path = "../../src/rate_limit/mod.rs"]
pub mod rate_limit;
#[path = "../../src/retry/mod.rs"]
pub mod retry;
#[path = "../../src/config.rs"]
mod config;
#[path = "../../src/window/mod.rs"]
pub mod window;

/// Runs `model` in every order that its threads can meet in with at most two preemptions: so often a thread has to let
/// others go on where it need not wait for them. Without a bound there are too many orders to try;
/// `LOOM_MAX_PREEMPTIONS` sets another.
pub fn in_every_order(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(2);
    // For models that make many requests.
    builder.max_branches = builder.max_branches.max(10_000);
    builder.check(model);
}
