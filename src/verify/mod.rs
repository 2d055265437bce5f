//! Finds out whether a failed request took effect.
//!
//! A timeout, a broken connection or a 502 does not say whether the upstream acted. For a read that does not matter. For a
//! payment it does: if it is sent again, it may be charged twice; if it is given up, it may be charged without an order. This
//! layer asks. It does so for every request that is not [`Safe`](crate::rules::Idempotency::Safe) and failed with an
//! [unknown effect](crate::Effect::Unknown), or of which the upstream says that it is
//! [still at work](crate::Verdict::InProgress) on it.
//!
//! | the question says | the caller, or the layer above, gets |
//! |---|---|
//! | [`Applied`](Verified::Applied) | that response |
//! | [`NotApplied`](Verified::NotApplied) | [`Rejection::NotApplied`](crate::Rejection::NotApplied), a failure without effect: retry and failover go on from there |
//! | [`InProgress`](Verified::InProgress) | nothing yet: it asks again, with pauses; after the last question it counts as `Unknown` |
//! | [`Unknown`](Verified::Unknown), an error, a panic, a timeout | the void decides, if there is one |
//!
//! Where [`or_void`](VerifyLayer::or_void) is set and succeeds, the caller gets `Rejection::NotApplied`. Where it fails, or
//! there is none, the caller gets the result as it was, and [`on_unsettled`](VerifyLayer::on_unsettled) is called. An
//! `Applied` response that the rules do not call a success or declined counts as `Unknown`: the layers above would send
//! the request again.
//!
//! # Where it stands
//!
//! - **Below retry**, each attempt is settled before the next one is made. This is the place for requests without a key:
//!   a retry then repeats only what certainly did nothing.
//! - **Above retry**, it asks once, at the end. This is for keyed requests, whose repeats are harmless at the same upstream.
//! - **Below failover** in any case: another provider is asked only once it is certain that this one did nothing.
//!
//! The question runs outside the breaker below it and is not counted by it. It runs within the deadline of the request:
//! where that leaves no time for a question, none is asked. If it is dropped while it asks, it repeats nothing.
//!
//! While nothing fails, the layer copies each request that is not `Safe`, and does nothing else. tower has no such layer.
//!
//! # The protocol of a payment
//!
//! 1. **Derive the key from the order, and write it down before the call**, together with the state PENDING. A key that
//!    is drawn in the call is lost with the process, and so is the means to ask.
//! 2. **Ask by your own id**: the order's, which you had before the call. The upstream's id is in the response that was lost.
//! 3. **Compare what comes back** with the order: its id, its amount, its currency. A response about another payment is
//!    [`Unknown`](Verified::Unknown), and a case for a person.
//! 4. **The same upstream gets the same key**, on every repeat. A new key is a new payment. Use a new key only after a
//!    definite failure, such as a declined card, when the customer tries again.
//! 5. **Another provider only after a void or a final no.** A key holds at one provider; the second one knows nothing of
//!    the first. While the effect at the first is unknown, there is no other provider.
//! 6. **Otherwise it stays PENDING**, and a sweep asks again later. The customer is told "in progress", not "failed".
//!
//! # Not found is not "will not apply"
//!
//! The lost request may still be on its way: in a proxy's queue, in a socket's buffer, in a worker that is slow. Asked
//! too early, the upstream says *not found*, and the request arrives a second later. Not found is final, and may become
//! [`NotApplied`](Verified::NotApplied), only
//!
//! - if the upstream refuses a late duplicate: because the order has been closed or expired there, or because the key has
//!   been used up by a request that failed;
//! - or after a **void** succeeded that also stops what arrives later. Korean payment providers have it as 망취소 (net
//!   cancel): it names the order, not the payment, and refuses or reverses whatever comes of that order. Card
//!   networks call it a reversal.
//!
//! If neither is true, return [`Unknown`](Verified::Unknown). [`after`](VerifyLayer::after) makes a wrong "not found"
//! rarer; it does not make it impossible.
//!
//! # Other traps
//!
//! - **A void is not a refund.** It must succeed also when there is nothing to undo, and before the request has arrived.
//!   A `404` of a cancel that only knows finished payments is not a success.
//! - **A key is valid for a time.** If the upstream forgets keys after 24 hours and the sweep comes after 25, the repeat is
//!   a new payment. The sweep's horizon must be shorter than the validity of the key; past it, only ask.
//! - **A response must be decoded below this layer.** A 200 whose body breaks off, or is no JSON, is a failure of unknown
//!   effect. If it is decoded above, this layer has already let it pass as a success. Put the decoding into the service,
//!   and let its error be an error.
//! - **After a void the upstream refuses the order.** A retry above this layer then meets that refusal, often a 4xx. As
//!   [`Declined`](crate::Verdict::Declined) it would end the request there, and no other provider would be asked. Let the
//!   rules judge it as what it is: a failure without effect, and permanent. For HTTP,
//!   `Http::builder().classify_with(..)` does that.
//! - **Two verifiers race**: this one and the sweep, or a callback. Write the outcome with a compare-and-set
//!   (`update .. where state = 'PENDING'`); who changes no row has lost, reads the row again, and acts on what it says. Never
//!   void what the row says is paid; and **write down that you void before you void** (PENDING to VOIDING), or a callback
//!   makes it paid between your look and your void.
//! - **A request that cannot be copied cannot be asked about.** One whose body is a stream goes to `on_unsettled` at once.
//!
//! | event | level | fields |
//! |---|---|---|
//! | `request settled` | `DEBUG` | `error_type`, `outcome` (`applied`, `not_applied`) |
//! | `request unsettled` | `WARN` | `error_type`, `reason` ([`Reason::as_str`]), `detail`, `void_error` |
//! | `could not hand over an unsettled request` | `ERROR` | `error_type`, `panic`, what `on_unsettled` said |
//!
//! The response was lost, and the question finds it:
//!
//! ```
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::rules::ErrorsOnly;
//! use windbreak::{Error, Verified, VerifyLayer};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! let client = ServiceBuilder::new()
//!     .layer(VerifyLayer::new(ErrorsOnly, |order: &'static str, _| async move {
//!         Ok::<_, std::io::Error>(Verified::Applied(format!("receipt of {order}")))
//!     }))
//!     .map_err(Error::Service)
//!     .service(service_fn(|_: &'static str| async {
//!         Err::<String, _>("connection reset")
//!     }));
//!
//! assert_eq!(client.oneshot("order-7").await.unwrap(), "receipt of order-7");
//! # }
//! ```
//!
//! A provider that knows nothing of the order. That is not final, so the order is voided, and may then be tried again:
//!
//! ```
//! use std::time::Duration;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::rules::ErrorsOnly;
//! use windbreak::verify::Unsettled;
//! use windbreak::{Error, Rejection, Verified, VerifyLayer};
//!
//! #[derive(Debug, Clone, PartialEq)]
//! struct Payment { order: u64, amount: u64 }
//!
//! async fn find(_order: u64) -> Result<Option<Payment>, std::io::Error> { Ok(None) }
//! async fn net_cancel(order: u64) -> Result<(), std::io::Error> {
//!     if order == 7 { Ok(()) } else { Err(std::io::Error::other("out of service")) }
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! let (parked, mut for_the_sweep) = tokio::sync::mpsc::unbounded_channel();
//! let verify = VerifyLayer::new(ErrorsOnly, |sent: Payment, _| async move {
//!     match find(sent.order).await? {
//!         Some(found) if found == sent => {
//!             Ok::<_, std::io::Error>(Verified::Applied(found))
//!         }
//!         // Another amount: a person must look at it.
//!         Some(_) => Ok(Verified::Unknown),
//!         // Not found is not "will not apply".
//!         None => Ok(Verified::Unknown),
//!     }
//! })
//! .after(Duration::from_millis(500))
//! .timeout(Duration::from_secs(2))
//! .attempts(3)
//! .or_void(|sent: Payment| net_cancel(sent.order))
//! .on_unsettled(move |unsettled: Unsettled<Payment>| {
//!     parked.send(unsettled).expect("the sweep runs")
//! });
//!
//! let client = ServiceBuilder::new()
//!     .layer(verify)
//!     .map_err(Error::Service)
//!     .service(service_fn(|_: Payment| async { Err::<Payment, _>("no response") }));
//!
//! let error =
//!     client.clone().oneshot(Payment { order: 7, amount: 300 }).await.unwrap_err();
//! assert!(matches!(error.rejection(), Some(Rejection::NotApplied { .. })));
//!
//! let error = client.oneshot(Payment { order: 8, amount: 300 }).await.unwrap_err();
//! assert_eq!(error.service(), Some(&"no response"));
//! let unsettled = for_the_sweep.recv().await.unwrap();
//! assert_eq!(unsettled.request.unwrap().order, 8);
//! assert_eq!(unsettled.void_error.as_deref(), Some("out of service"));
//! # }
//! ```

mod future;
mod layer;
mod open;
mod plan;
mod service;
mod settle;
mod shared;
mod unsettled;
mod verified;

pub use future::ResponseFuture;
pub use layer::VerifyLayer;
pub use service::Verify;
pub use unsettled::{Reason, Unsettled};
pub use verified::{Failed, Verified};
