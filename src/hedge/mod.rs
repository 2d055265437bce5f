//! Sends a second attempt beside a slow first one, and returns the first good response.
//!
//! It is for upstreams whose slowest responses are slow by chance: one replica is in a garbage collection, one packet was
//! lost. A timeout with a retry gives the first attempt up; a hedge goes on waiting for it. Where all
//! responses are slow because the upstream is busy, hedges make it busier, which is why they are paid from a
//! [budget](crate::retry::RetryBudget).
//!
//! tower's `Hedge` returns the first result, even if it is an error. It has no budget, and a policy that you write says
//! which requests may be sent twice. This layer waits for a good response, and its rules say it.
//!
//! - **Which requests?** Those that are `Safe`, `Idempotent` or `Keyed` and can be copied. All others are sent exactly once.
//!   None is copied before a delay is known.
//! - **When?** After a given delay, or after one that follows what first attempts take, so that a given share of them is
//!   hedged ([`extra_load`](HedgeLayer::extra_load)). An attempt that was dropped or failed counts as one that was
//!   still running when it ended; otherwise the delay would drift down. Not if the budget refuses, and not if the
//!   hedge could not end before the [deadline](crate::deadline()): a learned delay knows the median of the attempts, a
//!   given one the fastest hedge so far.
//! - **Which result?** The first `Success` or `Declined`. A failure of the first attempt before the delay is returned at once:
//!   it is the retry's business, which stands below. If one fails later, the others decide; if all fail, the result is that
//!   of the first attempt. If that certainly had no effect, or is ignored, and a hedge may have had one, it is the hedge's,
//!   unless the request is [`Safe`](crate::rules::Idempotency::Safe).
//! - **The losers?** They are dropped in the poll that returns. Each may have taken effect. A response of theirs that had
//!   arrived is discarded as retries discard.
//!
//! A breaker below sees a loser as cancelled; with `abandoned_after` it counts one that ran for long as failed. Otherwise
//! hedges hide from it that all first attempts hang.
//!
//! On an upstream whose latency has a long tail (Pareto from 5 ms, shape 1.2; 20,000 requests, simulated in
//! `tests/layers/hedge.rs`):
//!
//! | | 50 % | 99 % | 99.9 % | extra load |
//! |---|---|---|---|---|
//! | without | 9 ms | 256 ms | 1730 ms | |
//! | `extra_load(0.02)` | 9 ms | 150 ms | 222 ms | 2.0 % |
//! | `extra_load(0.05)` | 9 ms | 81 ms | 134 ms | 4.9 % |
//! | `after(30 ms)` | 10 ms | 53 ms | 102 ms | 11.7 % |
//!
//! A response, or an error, for which a hedge was sent says so: [`Attempts::winner`](crate::retry::Attempts::winner). Events,
//! of level `DEBUG`: `a hedge is sent` (field `hedge`, its number from 1) and `a hedge is not sent` (field `why`).
//!
//! ```
//! use std::sync::atomic::{AtomicU32, Ordering};
//! use std::time::Duration;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::rules::ErrorsOnly;
//! use windbreak::{Error, HedgeLayer};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! static CALLS: AtomicU32 = AtomicU32::new(0);
//!
//! let rules = ErrorsOnly.idempotent(|request: &&str| request.starts_with("get"));
//! let client = ServiceBuilder::new()
//!     .layer(HedgeLayer::after(Duration::from_millis(100), rules))
//!     .map_err(Error::Service)
//!     .service(service_fn(|_: &'static str| async {
//!         let number = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
//!         if number == 1 {
//!             tokio::time::sleep(Duration::from_secs(60)).await;
//!         }
//!         Ok::<_, std::io::Error>(number)
//!     }));
//!
//! // The first attempt hangs, the hedge does not.
//! assert_eq!(client.clone().oneshot("get").await.unwrap(), 2);
//! # }
//! ```
//!
//! With a delay that follows the attempts, the budget of the retries, and a change while it runs:
//!
//! ```
//! use std::time::Duration;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::rules::ErrorsOnly;
//! use windbreak::{Error, HedgeLayer, RetryLayer, RetryPolicy};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), windbreak::InvalidConfig> {
//! let rules = ErrorsOnly.idempotent(|_: &u64| true);
//! let policy = RetryPolicy::builder().build()?;
//! let hedge = HedgeLayer::extra_load(0.02, rules.clone())?
//!     .max_hedges(2)?
//!     .budget(policy.budget().clone());
//! let hedging = hedge.hedging().clone();
//! let client = ServiceBuilder::new()
//!     .layer(hedge)
//!     .layer(RetryLayer::new(policy, rules))
//!     .map_err(Error::Service)
//!     .service(service_fn(|millis: u64| async move {
//!         tokio::time::sleep(Duration::from_millis(millis)).await;
//!         Ok::<_, std::io::Error>(())
//!     }));
//!
//! for millis in 1..=100 {
//!     client.clone().oneshot(millis).await.unwrap();
//! }
//! let delay = hedging.delay().unwrap();
//! assert!(
//!     delay > Duration::from_millis(98) && delay < Duration::from_millis(103),
//!     "{delay:?}"
//! );
//!
//! hedging.set_after(Duration::from_millis(50));
//! client.oneshot(60).await.unwrap();
//! assert_eq!(hedging.counts().sent, 1);
//! # Ok(())
//! # }
//! ```

mod future;
mod handle;
mod layer;
mod quantile;
mod race;
mod service;
mod shared;
mod watch;

pub use future::ResponseFuture;
pub use handle::{HedgeCounts, Hedging};
pub use layer::HedgeLayer;
pub use service::Hedge;
