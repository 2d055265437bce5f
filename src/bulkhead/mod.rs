//! Bounds the requests in flight, so that one slow upstream cannot take the whole program with it.
//!
//! At most `limit` requests are in flight at once; each holds a permit. A further request is rejected at once
//! ([`BulkheadLayer`]), or queues for a permit, first come, first served ([`QueueingBulkheadLayer`]). Use it around every
//! upstream that may become slow: a [circuit breaker](crate::circuit_breaker) acts on how calls *went*, the bulkhead acts
//! before there is any response to judge.
//!
//! | | tower's `ConcurrencyLimit` | tower's `LoadShed` around it | bulkhead |
//! |---|---|---|---|
//! | takes a permit | in `poll_ready`: an idle clone that was polled ready holds one | the same | when it is called |
//! | no permit is free | pending, without a bound | rejects at once, also when something else below is not ready | rejects at once, or queues for a bounded time |
//! | who is next | whoever was first in `poll_ready` | nobody waits | whoever was called first |
//! | the limit | fixed | fixed | [resized](Semaphore::resize) while it runs, by hand or [by the responses](#a-limit-that-adapts) |
//! | the error | none | `Overloaded`, boxed | a [`Rejection`](crate::Rejection) that says what the limit is |
//!
//! ```
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::{BulkheadLayer, Error};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), windbreak::InvalidConfig> {
//! let client = ServiceBuilder::new()
//!     .layer(BulkheadLayer::new(1)?)
//!     .map_err(Error::Service)
//!     .service(service_fn(|_: ()| async {
//!         tokio::task::yield_now().await;
//!         Ok::<_, std::io::Error>(())
//!     }));
//!
//! let (first, second) =
//!     tokio::join!(client.clone().oneshot(()), client.clone().oneshot(()));
//! assert!(first.is_ok());
//! assert!(second.unwrap_err().is_bulkhead_full());
//! assert!(client.oneshot(()).await.is_ok());
//! # Ok(())
//! # }
//! ```
//!
//! # A queue
//!
//! A wait counts from the call. It ends with `max_wait`, and with the [deadline](crate::deadline()) of the request at the
//! latest: then the request is rejected as [`BulkheadTimeout`](crate::Rejection::BulkheadTimeout), and was not sent. A
//! request that queues holds nothing of the inner service: it asks a clone of it whether it is ready once it has a permit.
//! What it waited is not time of the upstream: a circuit breaker above does not count it as slowness.
//!
//! A request that nobody polls keeps its turn, or the permit that was handed to it, until its wait ends. Then both go to
//! others. Where nothing bounds the wait it keeps them until it is dropped, as every request in flight keeps its permit.
//!
//! ```
//! use std::time::Duration;
//! use tower::{Layer, ServiceExt, service_fn};
//! use windbreak::{BulkheadLayer, Error};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), windbreak::InvalidConfig> {
//! let layer =
//!     BulkheadLayer::new(1)?.queue().max_wait(Duration::from_millis(100)).max_queue(32);
//! let semaphore = layer.semaphore().clone();
//! let client = layer.layer(service_fn(|work: Duration| async move {
//!     tokio::time::sleep(work).await;
//!     Ok::<_, Error<std::io::Error>>(())
//! }));
//!
//! let second = Duration::from_secs(1);
//! let (first, queued) =
//!     tokio::join!(client.clone().oneshot(second), client.clone().oneshot(second));
//! assert!(first.is_ok());
//! let error = queued.unwrap_err().into_service().unwrap_err();
//! assert_eq!(error.to_string(), "the limit of 1 request in flight was reached for 100ms");
//!
//! // With one more permit there is room for both.
//! semaphore.resize(2)?;
//! let (first, second) =
//!     tokio::join!(client.clone().oneshot(second), client.oneshot(second));
//! assert!(first.is_ok() && second.is_ok());
//! assert_eq!((semaphore.limit(), semaphore.in_flight(), semaphore.queued()), (2, 0, 0));
//! # Ok(())
//! # }
//! ```
//!
//! # Until the head of the response
//!
//! A permit is held until the head of the response is there. What the body still streams is not bounded, so that
//! server-sent events and long downloads do not fill the bulkhead. Where the bodies are the work, use `until_body_end`
//! (feature `http`).
//!
//! # A limit that adapts
//!
//! Where nobody knows how many requests an upstream can take at once, or where that changes, let the limit follow the
//! responses: [`BulkheadLayer::adapt`]. Time is cut into windows of at least 1 s and 10 samples, or of 30 s. At the end of
//! a window the limit
//!
//! - **shrinks by a tenth** if the upstream asked for less (a 429, a 503, `Retry-After`) or did not respond in time (a
//!   timeout below the bulkhead, a 504); if the mean round-trip time of its successes was more than 2.5 deviations above
//!   its moving mean; or if times had grown with the limit for eight windows;
//! - **grows by one** if it was reached, the mean is not above the moving mean, and times have not grown with the limit;
//! - is never outside its bounds. It is a fraction; its whole part is in force.
//!
//! A round trip is timed from the permit on, not from the queue. `Declined`, `InProgress` and `Ignored` responses and
//! cancelled requests are no samples, so an attempt timeout belongs *below* the bulkhead. Other failures are samples that
//! have no round-trip time. An upstream that has become slower whatever its load is not starved for it: where four smaller
//! limits do not help, what is usual is learned anew.
//!
//! ```
//! use windbreak::BulkheadLayer;
//! use windbreak::bulkhead::Adapt;
//! use windbreak::rules::ErrorsOnly;
//!
//! # fn main() -> Result<(), windbreak::InvalidConfig> {
//! let layer = BulkheadLayer::new(20)?.queue().adapt(Adapt::between(1, 200)?, ErrorsOnly);
//! assert_eq!((layer.adapted_limit(), layer.semaphore().limit()), (20, 20));
//! # Ok(())
//! # }
//! ```
//!
//! Simulated, with clients that always have a next request. The server works on 50 requests at once, queues all others and
//! never says no. After 150 s it works on 25 only, after 250 s on 50 again (one column is 5 s):
//!
//! ```text
//! limit
//!   55 |                                                       **  ***** * ************
//!   50 |               ***************                        *  **     * *            *
//!   45 |            ***                                      *
//!   40 |         ***                                        *
//!   35 |      ***                     *                    *
//!   30 |   ***                                   **** *****
//!   25 | **                            **********    *
//!   20 |*
//!      +--------------------------------------------------------------------------------
//!       0                             150                 250                      400 s
//! ```
//!
//! | from 5, or from 150 where the server says no; 20 seeds | the limit after 400 s, over the knee |
//! |---|---|
//! | a server that queues, knee 10, 20 or 50 | times of equal length 0.99 to 1.07, of exponential length 0.96 to 1.11 |
//! | the same, knee 5 | 1.00 to 1.07, and 1.01 to 1.17 |
//! | the same, for an hour: the mean of any ten minutes, knee 10 or 20 | 0.99 to 1.08 |
//! | a server that returns 503, knee 5 to 50 | 0.96 to 1.12 |
//! | a server that queues, knee 50, from 100, 150 or 200 | 1.00 to 1.02, though only after 1,000 s |
//! | always a timeout | the minimum |
//! | 10 ms, every tenth response 200 ms, no knee | grows on |
//!
//! | | |
//! |---|---|
//! | half the server: windows until the limit is below 0.6 of what it was | 4; times of exponential length: at most 6 in 39 runs, 140 in one |
//! | two clients of a server that returns 503, knee 10, 20 or 50: Jain's index of fairness | 0.91 to 1.00 |
//! | two clients of a server that queues | 0.80 to 1.00 |
//!
//! **Two clients of a server that queues without end and never says no do not find its knee**: to each of them, the load of
//! the other one is slowness. Both limits together end at 1 to 7 times a knee of 10, and at 1 to 2.7 times one of 50. A
//! server that several clients call has to say no, with a 429 or a 503.
//!
//! # Events
//!
//! | level | message | fields |
//! |---|---|---|
//! | `DEBUG` | the limit of a bulkhead changed | `from`, `to`, `reason` (`Reached`, `Pressure` or `Latency`), `observe_only` |
//!
//! Rejections are errors, and traced by whoever handles them.

mod adaptive;
mod future;
mod layer;
mod queue;
mod queued;
mod queueing;
mod semaphore;
mod service;
mod word;

pub use adaptive::{Adapt, Adaptive, AdaptiveBulkheadLayer, AdaptiveResponseFuture};
pub use future::ResponseFuture;
pub use layer::BulkheadLayer;
pub use queueing::{QueueingBulkhead, QueueingBulkheadLayer};
pub use semaphore::{Permit, Semaphore};
pub use service::Bulkhead;
