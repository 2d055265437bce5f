//! Undoes the steps of a piece of work, in reverse order, when a later one fails; it is not durable: a saga lives in
//! memory, and a process that dies takes the pending undos with it.
//!
//! A [`Saga`] runs steps one after the other. A step that succeeds leaves its *undo* behind. When a step fails, all
//! pending undos are tried, the latest first, one at a time, each with an [`UndoPolicy`] of its own (attempts, pauses, and a
//! bound in time). An undo that fails, hangs or panics does not stop the others: its step is *stuck*, and
//! [`SagaError`] names it, with a note for a person.
//!
//! A saga is not a layer, and it repeats no step. Put retries, timeouts and a circuit breaker around the client
//! that a step uses. For work that must survive a crash, write down what is pending before each step and sweep it.
//!
//! Before [`pivot`](Saga::pivot) a failure ends the saga: a further step does not run, and says
//! [`Cause::Ended`]. After it, earlier steps stand and the work goes forward only: the failed step can be tried again.
//!
//! A saga that is dropped before [`finish`](Saga::finish) hands its pending undos to [`on_drop`](Saga::on_drop).
//!
//! | event | level | fields |
//! |---|---|---|
//! | `saga step failed` | `WARN` | `saga`, `step`, `effect` (`not_applied`, `unknown`), `error`, `pivoted`, `pending` (how many undos) |
//! | `saga undo failed` | `WARN` | `saga`, `step`, `attempt` (from 1), `error` |
//! | `saga step is stuck` | `ERROR` | `saga`, `step`, `note`, `reason` ([`Reason::as_str`]), `error` |
//! | `saga dropped with pending undos` | `ERROR` | `saga`, `pending` (the steps and their notes) |
//! | `saga could not hand over its pending undos` | `ERROR` | the same, and `panic`, what `on_drop` said |
//!
//! ```
//! use windbreak::Saga;
//!
//! type BoxError = Box<dyn std::error::Error + Send + Sync>;
//!
//! async fn take_seat() -> Result<u32, BoxError> {
//!     Ok(12)
//! }
//! async fn give_back(seat: u32) -> Result<(), BoxError> {
//!     assert_eq!(seat, 12);
//!     Ok(())
//! }
//! async fn print_ticket(_seat: u32) -> Result<String, BoxError> {
//!     Err("out of paper".into())
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! async fn book() -> Result<String, BoxError> {
//!     let mut saga = Saga::new("booking");
//!     let seat = saga.step("seat", take_seat()).undo(give_back).await?;
//!     let ticket = saga.step("ticket", print_ticket(seat)).nothing_to_undo().await?;
//!     saga.finish()?;
//!     Ok(ticket)
//! }
//!
//! let error = book().await.unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "saga `booking` failed at `ticket`: out of paper; undone: `seat`"
//! );
//! # }
//! ```
//!
//! An order that reserves quota, charges a card and gives the quota back. The response of the card's provider is lost, so
//! nobody knows whether the card was charged: `undo_if_unknown` makes sure that it was not.
//!
//! ```
//! use std::sync::Mutex;
//! use std::time::Duration;
//! use windbreak::backoff::Backoff;
//! use windbreak::saga::{Cause, Saga, SagaError, UndoPolicy};
//! use windbreak::Effect;
//!
//! #[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
//! enum PaymentError {
//!     #[error("declined")]
//!     Declined,
//!     #[error("no response")]
//!     NoResponse,
//! }
//!
//! /// Notes what it was asked.
//! #[derive(Default)]
//! struct Shop(Mutex<Vec<String>>);
//!
//! impl Shop {
//!     async fn ask(&self, what: String) -> Result<(), PaymentError> {
//!         self.0.lock().unwrap().push(what);
//!         Ok(())
//!     }
//!     async fn reserve(&self, amount: u32) -> Result<u32, PaymentError> {
//!         self.ask(format!("reserve {amount}")).await.map(|()| amount)
//!     }
//!     async fn release(&self, amount: u32) -> Result<(), PaymentError> {
//!         self.ask(format!("release {amount}")).await
//!     }
//!     async fn charge(&self, order: &str) -> Result<String, PaymentError> {
//!         self.ask(format!("charge {order}")).await?;
//!         Err(PaymentError::NoResponse)
//!     }
//!     async fn refund(&self, receipt: String) -> Result<(), PaymentError> {
//!         self.ask(format!("refund {receipt}")).await
//!     }
//!     async fn void(&self, order: &str) -> Result<(), PaymentError> {
//!         self.ask(format!("void {order}")).await
//!     }
//! }
//!
//! async fn order(shop: &Shop, undos: UndoPolicy) -> Result<(), SagaError<PaymentError>> {
//!     let mut saga = Saga::new("order")
//!         .undo_policy(undos)
//!         .on_drop(|pending| eprintln!("undo by hand, or `pending.run()`: {pending}"));
//!
//!     let _quota = saga
//!         .step("quota", shop.reserve(3))
//!         .note("order 7: 3 seats")
//!         .undo(|amount| shop.release(amount))
//!         .await?;
//!
//!     let _receipt = saga
//!         .step("charge", shop.charge("order-7"))
//!         .note("order 7: key order-7")
//!         .effect_of(|error| match error {
//!             PaymentError::Declined => Effect::NotApplied,
//!             PaymentError::NoResponse => Effect::Unknown,
//!         })
//!         .undo(|receipt| shop.refund(receipt))
//!         .undo_if_unknown(|| shop.void("order-7"))
//!         .await?;
//!
//!     // The card is charged: from here on, forward only.
//!     saga.pivot();
//!     saga.step("mail", shop.ask("mail".into())).nothing_to_undo().await?;
//!     saga.finish().expect("every step succeeded");
//!     Ok(())
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), windbreak::InvalidConfig> {
//! let undos = UndoPolicy::builder()
//!     .max_attempts(5)
//!     .backoff(
//!         Backoff::exponential(Duration::from_millis(200)).max(Duration::from_secs(5)),
//!     )
//!     .timeout(Duration::from_secs(20))
//!     .build()?;
//! let shop = Shop::default();
//! let error = order(&shop, undos).await.unwrap_err();
//!
//! assert_eq!(&*error.failed, "charge");
//! assert_eq!(error.cause, Cause::Failed(PaymentError::NoResponse));
//! assert_eq!(error.undone, ["charge".into(), "quota".into()]);
//! assert!(error.stuck.is_empty());
//! assert_eq!(
//!     *shop.0.lock().unwrap(),
//!     ["reserve 3", "charge order-7", "void order-7", "release 3"]
//! );
//! # Ok(())
//! # }
//! ```

mod chain;
mod error;
mod pending;
mod plan;
mod policy;
#[allow(clippy::module_inception, reason = "the file is named for the type that it holds")]
mod saga;
mod step;
mod stuck;
mod undo;

pub use error::{Cause, SagaError, UndoReport, Unfinished};
pub use pending::{Pending, PendingStep};
pub use policy::{UndoPolicy, UndoPolicyBuilder};
pub use saga::Saga;
pub use step::{Said, Step, Unsaid};
pub use stuck::{Reason, Stuck};
