//! Keeps requests that failed for good.
//!
//! The outermost layer: what comes out of everything below it is final. A request that changes something and failed (after
//! all retries, at all providers, by a timeout or an open circuit) is handed to a [`Sink`] with all that is known of it,
//! and the caller gets the error all the same.
//!
//! A letter is written for a request that is not [`Safe`](crate::rules::Idempotency::Safe) and whose result is a failure,
//! throttled, [still in progress](crate::Verdict::InProgress), or a rejection by a layer. A success is not kept, and
//! neither is what the upstream [declined](crate::Verdict::Declined) or what was the caller's own mistake: sent again, it
//! would fail again. A read needs no letter: whoever wants it reads again.
//!
//! # Before a replay
//!
//! [`DeadLetter::effect`] says whether the request may have taken effect. What did
//! [not apply](crate::Effect::NotApplied) may be sent again. **What is [unknown](crate::Effect::Unknown) must be verified
//! first**, as [`verify`](crate::verify) has it, by whoever replays it: ask, or void, and only then send. The caller was told
//! of an error as well and may have ordered anew, so a replay also needs the caller's consent, or an id of the order that
//! makes the second one visible.
//!
//! # When the sink fails
//!
//! The caller's result is returned whatever the sink does. A sink that hangs, such as a full channel, delays it by at
//! most [`timeout`](DeadLetterLayer::timeout) (1 s). A letter that is not kept is counted in
//! [`DeadLetterCounts::lost`] and traced. So the sink guarantees nothing: what must not be lost has to be written down
//! before the request is sent.
//!
//! While nothing fails, the layer copies each request that is not `Safe`, and does nothing else. tower has no such layer.
//!
//! | event | level | fields |
//! |---|---|---|
//! | `dead letter kept` | `DEBUG` | `error_type`, `effect` (`not_applied`, `unknown`) |
//! | `dead letter lost` | `ERROR` | `error_type`, `effect`, `reason` (`failed`, `panicked`, `timed_out`, `dropped`, `no_copy`), `detail` |
//!
//! ```
//! use tokio::sync::mpsc;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::rules::ErrorsOnly;
//! use windbreak::{DeadLetterLayer, Error};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let (sink, mut letters) = mpsc::channel(64);
//! let client = ServiceBuilder::new()
//!     .layer(DeadLetterLayer::new(ErrorsOnly, sink))
//!     .map_err(Error::Service)
//!     .service(service_fn(|_: &'static str| async { Err::<(), _>("connection reset") }));
//!
//! assert_eq!(client.oneshot("order 7").await, Err(Error::Service("connection reset")));
//! let letter = letters.recv().await.unwrap();
//! assert_eq!(letter.request, "order 7");
//! assert!(letter.must_be_verified());
//! # }
//! ```
//!
//! A sink of one's own, and a short bound:
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use std::time::Duration;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::dead_letter::{DeadLetter, Sink};
//! use windbreak::rules::ErrorsOnly;
//! use windbreak::{DeadLetterLayer, Error, Rejection};
//!
//! /// Has room for one letter only.
//! #[derive(Clone, Default)]
//! struct Drawer(Arc<Mutex<Option<String>>>);
//!
//! impl Sink<u32> for Drawer {
//!     async fn put(
//!         &self,
//!         letter: DeadLetter<u32>,
//!     ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//!         let mut drawer = self.0.lock().unwrap();
//!         if drawer.is_some() {
//!             return Err("no room".into());
//!         }
//!         *drawer = Some(format!(
//!             "order {}: {}, {:?}",
//!             letter.request, letter.error_type, letter.effect
//!         ));
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! let drawer = Drawer::default();
//! let keep = DeadLetterLayer::new(ErrorsOnly, drawer.clone())
//!     .timeout(Duration::from_millis(200));
//! let counts = keep.counts();
//! let client = ServiceBuilder::new().layer(keep).service(service_fn(|_: u32| async {
//!     Err::<(), Error<std::io::Error>>(Rejection::circuit_open("card", None).into())
//! }));
//!
//! for order in [7, 8] {
//!     assert!(client.clone().oneshot(order).await.unwrap_err().is_circuit_open());
//! }
//! assert_eq!(
//!     drawer.0.lock().unwrap().as_deref(),
//!     Some("order 7: circuit_open, NotApplied")
//! );
//! assert_eq!((counts.kept(), counts.lost()), (1, 1));
//! # }
//! ```

mod counts;
mod future;
mod judge;
mod keep;
mod layer;
mod letter;
mod service;
mod shared;
mod sink;

pub use counts::DeadLetterCounts;
pub use future::ResponseFuture;
pub use layer::DeadLetterLayer;
pub use letter::DeadLetter;
pub use service::DeadLetters;
pub use sink::Sink;
