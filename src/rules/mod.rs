//! What responses mean and which requests may be repeated: one value, given to each layer that asks.
//!
//! Rules are four traits, each for one question. A layer bounds only those that it asks:
//!
//! | trait | question | asked by |
//! |---|---|---|
//! | [`Classify`] | What does this result say of the upstream? | breaker, retry, hedge, fallback, verify, failover, dead letter |
//! | [`Repeat`] | How harmful is it to send this request again? | retry, hedge, fallback to a service, verify, failover, dead letter |
//! | [`Replay`] | What does a further attempt send? | retry, hedge, fallback to a service, verify, failover, dead letter |
//! | [`Discard`] | What happens to a response that will be retried, or that says what it took? | retry, hedge, failover |
//!
//! Most programs implement none of them. For HTTP there are `Http` and `HttpRules` (feature `http`); for all else
//! [`ErrorsOnly`], and [`rules_fn`] with a closure. [`Rules`] names all four at once, so that `Arc<dyn Rules<..>>` hides
//! which rules there are.
//!
//! ```
//! use windbreak::rules::{Classify, ErrorsOnly, Idempotency, Repeat};
//! use windbreak::{Error, Verdict};
//!
//! let rules = ErrorsOnly.idempotent(|query: &&str| query.starts_with("SELECT"));
//!
//! assert_eq!(rules.idempotency(&"SELECT 1"), Idempotency::Idempotent);
//! let failed: Error<&str> = Error::Service("connection reset");
//! assert_eq!(rules.classify(Err::<&(), _>(&failed)), Verdict::UNKNOWN);
//! ```
//!
//! A closure judges responses; rules can be shared and erased:
//!
//! ```
//! use std::sync::Arc;
//! use windbreak::rules::{Rules, rules_fn};
//! use windbreak::{Error, Verdict};
//!
//! let rules = rules_fn(|result: Result<&u16, &Error<()>>| match result {
//!     Ok(404) => Verdict::Declined,
//!     Ok(_) => Verdict::Success,
//!     Err(error) => error.rejection().map_or(Verdict::UNKNOWN, Verdict::from),
//! });
//! let erased: Arc<dyn Rules<String, u16, Error<()>> + Send + Sync> = Arc::new(rules);
//! # let layer = windbreak::CircuitBreakerLayer::new(windbreak::Circuit::builder("any").build().unwrap(), erased);
//! ```

mod classify;
mod discard;
mod errors_only;
mod replay;
mod rules_fn;
mod verdict;
mod with;

pub use classify::Classify;
pub(crate) use discard::discard_at_once;
pub use discard::{Discard, Discarding};
pub use errors_only::ErrorsOnly;
pub use replay::{Idempotency, Repeat, Replay};
pub use rules_fn::{RulesFn, rules_fn};
pub use verdict::{Effect, Failure, Verdict};
#[cfg(feature = "http")]
pub(crate) use with::rules_setters;
pub use with::{WithCopy, WithIdempotency};

/// All that rules can be asked. Every type that implements the four traits implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` are not rules for `{R}` and `Result<{T}, {E}>`",
    label = "not rules for this request and result",
    note = "`Rules` is `Classify`, `Repeat`, `Replay` and `Discard`; start with `ErrorsOnly`, `rules_fn(..)` or `Http`"
)]
pub trait Rules<R, T, E>: Classify<T, E> + Replay<R> + Discard<T> {}

impl<C, R, T, E> Rules<R, T, E> for C where C: Classify<T, E> + Replay<R> + Discard<T> {}
