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
//! `Idempotency-Key` ([`idempotency_key`] gives it one). `Retry-After` is obeyed in seconds, as a date, and in milliseconds
//! (`retry-after-ms`). [`Http::builder`] changes these rules. With reqwest, "none" is "unknown" until you say that it
//! follows no [redirects](#redirects).
//!
//! [`RetryPolicy::http`] puts them to use, with [`Drain`]: a refused answer is read to its end, within bounds, so that its
//! connection can be used again, and an answer that took more than one attempt carries [`Attempts`](crate::retry::Attempts)
//! in its extensions. [`Standard`] is a whole stack for HTTP.
//!
//! ```
//! use windbreak::classify::{Classify, Replay};
//! use windbreak::http::Http;
//! use windbreak::{CircuitBreakerLayer, Circuit, Error, RetryLayer, RetryPolicy, Verdict};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let breaker = CircuitBreakerLayer::new(Circuit::builder("search").build()?).classify(Http);
//! let retry = RetryLayer::new(RetryPolicy::http().build()?);
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
//! # Redirects
//!
//! reqwest follows them by itself, and does not say of a failure to which request of the chain it belongs: a `POST` that
//! was acted upon and answered by a 303, to a page that answers 429 or cannot be reached, looks like one that was turned
//! away. Therefore its answers and errors never prove that a request had no effect, and a `POST` or `PATCH` is sent again
//! only if it has a key. To have the whole table, build the client without redirects, and say so:
//!
#![cfg_attr(feature = "reqwest", doc = "```")]
#![cfg_attr(not(feature = "reqwest"), doc = "```ignore")]
//! use windbreak::http::{Http, Standard};
//! use windbreak::{RetryLayer, RetryPolicy};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
//! let rules = Http::builder().without_redirects();
//!
//! let retry = RetryLayer::new(RetryPolicy::http_with(rules.clone()).build()?);
//! let standard = Standard::builder("orders").rules(rules).build()?; // or the whole stack
//! # let _ = (client, retry, standard);
//! # Ok(())
//! # }
//! ```
//!
//! hyper follows none, so what it says is believed. A layer that does (tower-http's `FollowRedirect`) belongs above the
//! retries; below, it hides the same thing from them. So does turning the answers of reqwest into `http::Response`s
//! there: it is by their type that they are known.
//!
//! # Until when
//!
//! By default a layer takes a request to last until the **head** of its answer: then the place in the bulkhead is free,
//! the clock stops and the verdict is recorded. That is right for server-sent events, long polls and large downloads.
//! Where the bodies are the work, `until_body_end()` of the [bulkhead](crate::BulkheadLayer::until_body_end), the
//! [breaker](crate::CircuitBreakerLayer::until_body_end) and the [timeout](crate::TimeoutLayer::until_body_end) makes them
//! hold on until the **body** has ended, broken off, or been dropped. A `reqwest::Response` keeps its type; the body of an
//! `http::Response` becomes a [`GuardedBody`].
//!
//! # Connections
//!
//! The layers bound requests; connections belong to the client. What to set there:
//!
//! | | why | reqwest | hyper-util |
//! |---|---|---|---|
//! | connect timeout | a host that is gone must not use up the attempt timeout; 0.5 to 1 s within a region | `connect_timeout` | `HttpConnector::set_connect_timeout` |
//! | read timeout | a body that stalls; or bound it with `until_body_end()` | `read_timeout` | |
//! | idle time in the pool | below the keep-alive of the server, or it closes the connection under a request | `pool_idle_timeout` | `pool_idle_timeout`, and a `pool_timer` or it is not enforced |
//! | idle connections | what you need between two bursts | `pool_max_idle_per_host` | `pool_max_idle_per_host` |
//! | redirects | who follows them cannot tell what a failure means; see [above](#redirects) | `redirect(Policy::none())` | follows none |
//! | keep-alive | notices a peer that is gone without a word | `tcp_keepalive`, `http2_keep_alive_interval` | `HttpConnector::set_keepalive`, `http2_keep_alive_interval` |
//!
//! Neither client can cap the number of connections, nor bound the wait for one. A bulkhead does both: with HTTP/1 a
//! request in flight is a connection, so [`BulkheadLayer::new(64)`](crate::BulkheadLayer::new) opens at most 64, and
//! [`max_wait`](crate::BulkheadLayer::max_wait) is the wait for one. (Until the body ends the connection is in use, so
//! count until then: `until_body_end()`.) The timeout of the client itself is better left unset: the layers cannot see
//! it coming, and it does not tell whether the request was sent.
//!
//! ```
//! use std::time::Duration;
//! use hyper_util::client::legacy::{Client, connect::HttpConnector};
//! use hyper_util::rt::{TokioExecutor, TokioTimer};
//!
//! let mut connector = HttpConnector::new();
//! connector.set_connect_timeout(Some(Duration::from_millis(500)));
//! connector.set_keepalive(Some(Duration::from_secs(60)));
//! let client = Client::builder(TokioExecutor::new())
//!     .pool_idle_timeout(Duration::from_secs(30))
//!     .pool_timer(TokioTimer::new())
//!     .build::<_, String>(connector);
//! # let _ = client;
//! ```
//!
#![cfg_attr(feature = "reqwest", doc = "```")]
#![cfg_attr(not(feature = "reqwest"), doc = "```ignore")]
//! use std::time::Duration;
//!
//! let client = reqwest::Client::builder()
//!     .connect_timeout(Duration::from_millis(500))
//!     .pool_idle_timeout(Duration::from_secs(30))
//!     .tcp_keepalive(Duration::from_secs(60))
//!     .redirect(reqwest::redirect::Policy::none()) // and say so to the layers: `Http::builder().without_redirects()`
//!     .build()?;
//! # let _ = client;
//! # Ok::<(), reqwest::Error>(())
//! ```
//!
//! [h2]: https://www.rfc-editor.org/rfc/rfc9113#section-8.7
//! [methods]: https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2

mod classify;
mod drain;
mod effect;
pub mod idempotency_key;
mod keys;
mod message;
pub mod progress_timeout;
mod replay;
#[cfg(feature = "reqwest")]
mod reqwest;
mod retry_after;
mod rules;

pub use classify::HttpError;
pub use drain::Drain;
pub use message::{HttpRequest, HttpResponse, authority};
pub use replay::ResendCount;
pub use rules::{Http, HttpRules};
