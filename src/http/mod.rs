//! What HTTP means (feature `http`; `reqwest` for [`reqwest`](https://docs.rs/reqwest)'s own types).
//!
//! [`Http`] is a classifier and a replay: give it to every layer that judges answers or repeats requests. It knows not
//! only what failed, but also whether the request can have taken effect, which is what makes a retry safe:
//!
//! | answer | verdict | effect | retried |
//! |---|---|---|---|
//! | 1xx, 2xx, 3xx | success | | |
//! | 421, 425, 429; 503 with `Retry-After` | failure | none: the server did not act | always |
//! | 408, 500, 502, 504, other 5xx; 503 without `Retry-After` | failure | unknown | if idempotent |
//! | 409 | in progress | | if the request has an idempotency key |
//! | other 4xx | refused | | never |
//! | refused, no such host, connect timeout, handshake failed | failure | none: nothing was sent | always |
//! | connection closed before the request was sent | failure | none | always |
//! | HTTP/2 `REFUSED_STREAM`, graceful `GOAWAY` | failure | none ([RFC 9113, 8.7][h2]) | always |
//! | any other error: reset or closed before the answer, client's own timeout | failure | unknown | if idempotent |
//! | a [timeout](crate::Rejection::Timeout) of windbreak's | failure | unknown | if idempotent |
//! | any other rejection of windbreak's | ignored | | never |
//!
//! A request is idempotent if its method is ([RFC 9110, section 9.2.2][methods]) or if it carries an
//! `Idempotency-Key`. `Retry-After` is obeyed in seconds, as a date, and in milliseconds (`retry-after-ms`).
//!
//! ```
//! use windbreak::classify::{Classify, Replay};
//! use windbreak::http::Http;
//! use windbreak::{CircuitBreakerLayer, Circuit, Error, RetryLayer, RetryPolicy, Verdict};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let breaker = CircuitBreakerLayer::new(Circuit::builder("search").build()?).classify(Http);
//! let retry = RetryLayer::new(RetryPolicy::builder().classify(Http).replay(Http).build()?);
//! # let _ = (breaker, retry);
//!
//! let not_found = http::Response::builder().status(404).body(())?;
//! assert_eq!(Http.classify(Ok::<_, &Error<std::io::Error>>(&not_found)), Verdict::Refused);
//!
//! let order = http::Request::post("/orders").body(())?;
//! assert!(!Http.is_idempotent(&order));
//! # Ok(())
//! # }
//! ```
//!
//! [h2]: https://www.rfc-editor.org/rfc/rfc9113#section-8.7
//! [methods]: https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2

mod body;
mod classify;
mod custom;
mod drain;
mod effect;
pub mod idempotency_key;
mod message;
mod replay;
#[cfg(feature = "reqwest")]
mod reqwest;
mod retry_after;
mod standard;

pub use body::{GuardBody, GuardedBody, UntilBodyEnd};
pub use custom::CustomHttp;
pub use drain::{Drain, DrainFuture};
pub use message::{HttpRequest, HttpResponse, authority};
pub use standard::{Standard, StandardBuilder, StandardService};

use crate::retry::{RetryPolicy, RetryPolicyBuilder};

/// Knows what status codes, methods and the errors of HTTP clients mean.
///
/// A [`Classify`](crate::classify::Classify) for `http::Response` and `reqwest::Response`, and a
/// [`Replay`](crate::classify::Replay) for `http::Request` and `reqwest::Request`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Http;

impl RetryPolicy<Http, Http, Drain> {
    /// Starts with what is right for HTTP: classifies and replays by [`Http`], and disposes of refused answers by
    /// [`Drain`]. The other defaults are those of [`RetryPolicy::builder`].
    pub fn http() -> RetryPolicyBuilder<Http, Http, Drain> {
        RetryPolicy::builder().classify(Http).replay(Http).dispose(Drain::new())
    }
}

/// How often a request was sent before: an extension of `http::Request` on each attempt after the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResendCount(pub u32);
