//! What HTTP means (feature `http`; `reqwest` for [`reqwest`](https://docs.rs/reqwest)'s own types).
//!
//! [`Http`] is a classifier and a replay: give it to every layer that judges answers or repeats requests.
//!
//! | answer | verdict | effect |
//! |---|---|---|
//! | 1xx, 2xx, 3xx | success | |
//! | 408, 425, 429, 5xx | failure | unknown |
//! | other 4xx | refused | |
//! | no connection (refused, no such host, connect timeout) | failure | none |
//! | any other error of the client | failure | unknown |
//! | a timeout of windbreak's | failure | unknown |
//! | any other rejection of windbreak's | ignored | |
//!
//! A request is idempotent if its method is ([RFC 9110, section 9.2.2][methods]) or if it carries an
//! `Idempotency-Key`. One that is not is repeated only where the failure had no effect.
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
//! [methods]: https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2

mod classify;
mod replay;
#[cfg(feature = "reqwest")]
mod reqwest;

/// Knows what status codes, methods and the errors of HTTP clients mean.
///
/// A [`Classify`](crate::classify::Classify) for `http::Response` and `reqwest::Response`, and a
/// [`Replay`](crate::classify::Replay) for `http::Request` and `reqwest::Request`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Http;
