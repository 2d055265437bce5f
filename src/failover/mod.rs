//! Moves to the next of several providers of the same thing, when that is harmless.
//!
//! A [`Failover`] is a service over several stacks, each usually with a circuit breaker, retries and timeouts of its
//! own. A request goes to the first provider and moves on, in their order, each provider at most once.
//!
//! tower's `steer` chooses a service for a request and keeps to it; its `balance` spreads requests over equal endpoints of
//! *one* service. A failover goes somewhere else after a failure, and knows when it must not.
//!
//! # When it moves on
//!
//! An idempotency key, and an idempotent method, hold at one provider only: the second one knows nothing of the first, and
//! would charge the card again. So it matters what is known of the effect:
//!
//! | the provider's result | a [`Safe`](crate::rules::Idempotency::Safe) request | any other request, also with a key |
//! |---|---|---|
//! | success, or [`Declined`](crate::Verdict::Declined) | stays | stays |
//! | rejected before it was sent: circuit open, bulkhead full, not ready | moves on | moves on |
//! | failed or throttled, certainly [without effect](crate::Effect::NotApplied) | moves on | moves on |
//! | failed, effect unknown | moves on | **stays** |
//! | still in progress | stays | stays |
//! | the caller's own mistake ([`Ignored`](crate::Verdict::Ignored), and no rejection) | stays | stays |
//!
//! A [`VerifyLayer`](crate::verify::VerifyLayer) in each provider's stack turns an unknown effect into
//! [`Rejection::NotApplied`](crate::Rejection::NotApplied) where that is certain, and the request moves on.
//! [`FallbackLayer::service`](crate::FallbackLayer::service) obeys the same rule. A request that the rules cannot copy does
//! not move.
//!
//! **Put the retries below it**, into each provider's stack. A retry above it would send a keyed request of unknown effect
//! again, and the circuit that has opened meanwhile, or a switch, would send it to another provider. So a further attempt of
//! such a request is rejected with `AllUnavailable`, and the retry returns what is known of the attempts before. What is sent
//! again in another task (behind `tower::buffer`), by a future that is polled with a waker of its own, or as a new request (by
//! an [outbox](crate::outbox)), is not recognised.
//!
//! # What the caller gets
//!
//! - The response of the provider that gave one. A response of HTTP says who that was: it carries [`Provider`] as an
//!   extension. For other responses, implement [`Discard::mark_provider`](crate::rules::Discard::mark_provider).
//! - Where all providers rejected the request: [`Rejection::AllUnavailable`](crate::Rejection::AllUnavailable), with the
//!   earliest `retry_after`.
//! - Otherwise the last failure of a request that was sent. A later rejection does not hide it.
//!
//! Each error says what each provider said, in [`Error::attempts`](crate::Error::attempts), and in its `Display`.
//!
//! # The way back
//!
//! Each request begins at the first provider. While that is down, its own circuit breaker rejects at once, which costs
//! nothing; its probes find out when it is back. There is no second mechanism.
//!
//! # By hand
//!
//! The [handle](Failover::handle) prefers, excludes and restores providers, and stops the failover from moving by itself.
//! A switch holds for requests that start after it, at all clones, until it is thrown back. The
//! [status](FailoverHandle::status) says who threw it.
//!
//! `poll_ready` asks the first provider only. Another one is asked once a request moves to it.
//!
//! While nothing fails, a request costs a copy of it, if there is another provider, and one allocation for the future.
//!
//! | event | level | fields |
//! |---|---|---|
//! | `failover moved on` | `DEBUG` | `failover`, `from`, `to`, `error_type` |
//! | `failover switch thrown` | `INFO` | `failover`, `switch` (`prefer`, `exclude`, `restore`, `manual`, `automatic`), `provider`, `by` |
//!
//! ```
//! use tower::{ServiceExt, service_fn};
//! use windbreak::rules::ErrorsOnly;
//! use windbreak::{Error, Failover, Rejection};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), windbreak::InvalidConfig> {
//! let down = service_fn(|_: u32| async {
//!     Err::<String, Error<&str>>(Rejection::circuit_open("a", None).into())
//! });
//! let well = service_fn(|order: u32| async move { Ok(format!("receipt of {order}")) });
//!
//! let card = Failover::new("card", ErrorsOnly).to("a", down).to("b", well).build()?;
//! let steer = card.handle();
//! assert_eq!(card.clone().oneshot(7).await.unwrap(), "receipt of 7");
//! assert_eq!(steer.status().providers[0].moved_on, 1);
//!
//! steer.exclude("b", "alice: wrong receipts")?;
//! let error = card.oneshot(8).await.unwrap_err();
//! assert!(matches!(error.rejection(), Some(Rejection::AllUnavailable { .. })));
//! assert_eq!(
//!     &*steer.status().providers[1].excluded.as_ref().unwrap().by,
//!     "alice: wrong receipts"
//! );
//! # Ok(())
//! # }
//! ```
//!
//! Providers whose types differ:
//!
//! ```
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::rules::ErrorsOnly;
//! use windbreak::{Error, Failover, InvalidConfig};
//!
//! #[derive(Debug, Clone)]
//! struct Charge { order: u64, won: u64 }
//! #[derive(Debug, PartialEq)]
//! struct Receipt(String);
//!
//! /// What provider B wants, in its own unit, and what it sends.
//! struct Approve { order: String, jeon: u64 }
//! struct Approved { number: u32 }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), InvalidConfig> {
//! let a = service_fn(|charge: Charge| async move {
//!     Ok::<_, Error<String>>(Receipt(format!("a-{}", charge.order)))
//! });
//!
//! let b = ServiceBuilder::new()
//!     .map_request(|charge: Charge| Approve {
//!         order: charge.order.to_string(),
//!         jeon: charge.won * 100,
//!     })
//!     .map_response(|approved: Approved| Receipt(format!("b-{}", approved.number)))
//!     .map_err(|code: u16| Error::Service(format!("code {code}")))
//!     .service(service_fn(|approve: Approve| async move {
//!         if approve.jeon == 0 {
//!             Err(422)
//!         } else {
//!             Ok(Approved { number: approve.order.len() as u32 })
//!         }
//!     }));
//!
//! let card = Failover::new("card", ErrorsOnly).to("a", a).to("b", b).build()?;
//! card.handle().prefer("b", "bob: cheaper at night")?;
//! assert_eq!(
//!     card.clone().oneshot(Charge { order: 42, won: 300 }).await,
//!     Ok(Receipt("b-2".into()))
//! );
//!
//! let error = card.oneshot(Charge { order: 42, won: 0 }).await.unwrap_err();
//! assert_eq!(error.to_string(), "code 422; b: _OTHER");
//! # Ok(())
//! # }
//! ```

mod builder;
mod future;
mod handle;
mod judge;
mod past;
mod provider;
mod service;
mod shared;
mod status;
mod switches;
mod word;

pub use crate::provider::Provider;
pub use builder::FailoverBuilder;
pub use future::ResponseFuture;
pub use handle::FailoverHandle;
pub use service::Failover;
pub use status::{ProviderStatus, Status, Switch};
