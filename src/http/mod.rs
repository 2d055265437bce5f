//! Rules for HTTP (feature `http`; `reqwest` for [`reqwest`](https://docs.rs/reqwest)'s own types).
//!
//! [`Http`] is a set of [rules](crate::rules): give it to every layer. It knows what failed, and whether the request may
//! have taken effect, which is what makes a retry safe:
//!
//! | response | verdict | effect | retried |
//! |---|---|---|---|
//! | 1xx, 2xx, 3xx | success | | |
//! | 429 | throttled: a success of the circuit | not applied, says the server | always |
//! | 421, 425 | failure | not applied, says the server | always |
//! | 408, 500, 502, 503, 504, other 5xx | failure | unknown | if idempotent |
//! | 501, 505, 511 | failure, permanent | unknown | never |
//! | 409 | in progress | | if the request has an idempotency key |
//! | other 4xx | declined | | never |
//!
//! | error | verdict | effect | retried |
//! |---|---|---|---|
//! | no connection: refused, no address, connect timeout, handshake failed | failure | not applied: nothing was sent | always |
//! | the same, because of a certificate, or of a name that does not exist | failure, permanent | not applied | never |
//! | connection closed before the request was sent | failure | not applied | always |
//! | HTTP/2 `REFUSED_STREAM`, graceful `GOAWAY` | failure | not applied ([RFC 9113, 8.7][h2]) | always |
//! | the caller's own: see [below](#errors) | ignored | | never |
//! | any other: reset or closed before the response, the client's own timeout | failure | unknown | if idempotent |
//! | a [timeout](crate::Rejection::Timeout) of windbreak's | failure | unknown | if idempotent |
//! | `RetryStopped`, from a retry layer below | failure | as it says | if idempotent, or not applied |
//! | `NotApplied`, from a verify layer below | failure | not applied | always |
//! | any other rejection of windbreak's | ignored | | never |
//!
//! A request is idempotent if its method is ([RFC 9110, section 9.2.2][methods]) or if it carries an
//! `Idempotency-Key` that is not empty ([`idempotency_key`] gives it one). `Retry-After` is obeyed in seconds, as a date,
//! and in milliseconds (`retry-after-ms`). [`Http::builder`] changes these rules.
//!
//! For 421, 425 and 429 the server's word is taken: a server that acts on a request and then returns 429 gets it twice. A 503 has an unknown effect, also with a `Retry-After`: proxies put one on the 503 that they make when
//! the server took the request and then died. Where it is certain that the server says so before it acts,
//! [`unprocessed_statuses`](HttpRules::unprocessed_statuses) says that.
//!
//! A response that will be retried is read to its end, within the bounds of [`Drain`], so that its connection can be used
//! again. A response that took more than one attempt carries [`Attempts`](crate::retry::Attempts) in its extensions.
//!
//! ```
//! use windbreak::http::Http;
//! use windbreak::rules::{Classify, Idempotency, Repeat};
//! use windbreak::{Circuit, CircuitBreakerLayer, Error, RetryLayer, RetryPolicy, Verdict};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let breaker = CircuitBreakerLayer::new(Circuit::builder("search").build()?, Http);
//! let retry = RetryLayer::new(RetryPolicy::builder().build()?, Http);
//! # let _ = (breaker, retry);
//!
//! let not_found = http::Response::builder().status(404).body(())?;
//! assert_eq!(
//!     Http.classify(Ok::<_, &Error<std::io::Error>>(&not_found)),
//!     Verdict::Declined
//! );
//!
//! let order = http::Request::post("/orders").body(())?;
//! assert_eq!(Http.idempotency(&order), Idempotency::NotIdempotent);
//! # Ok(())
//! # }
//! ```
//!
//! [`Stack::http`](crate::Stack::http) is a whole stack.
//!
//! # Redirects
//!
//! reqwest follows them by itself, and does not say to which request of the chain a failure belongs: a `POST` that took
//! effect and got a 303 to a page that returns 429, or that cannot be reached, looks like a `POST` without effect. Therefore its responses and errors never prove that a request had no effect: in the tables, "not applied" is
//! "unknown", and a `POST` or `PATCH` is sent again only if it has a key. To have the whole table, build the client without
//! redirects, and say so:
//!
#![cfg_attr(feature = "reqwest", doc = "```")]
#![cfg_attr(not(feature = "reqwest"), doc = "```ignore")]
//! use windbreak::http::Http;
//! use windbreak::{RetryLayer, RetryPolicy, Stack};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = reqwest::Client::builder()
//!     .redirect(reqwest::redirect::Policy::none())
//!     .retry(reqwest::retry::never())
//!     .build()?;
//! let rules = Http::builder().without_redirects();
//!
//! let retry = RetryLayer::new(RetryPolicy::builder().build()?, rules.clone());
//! let stack = Stack::http("orders").rules(rules).build()?; // or the whole stack
//! # let _ = (client, retry, stack);
//! # Ok(())
//! # }
//! ```
//!
//! hyper follows none, so its error is believed, where it is the error of the service or is in nothing but an `Arc`, a `Box`
//! or an `io::Error`. An error of any other type may be that of a client that follows redirects, such as another version of
//! reqwest, or be about another call than the request: nothing is believed of it. An error type of your own says where its
//! client's error is by [`HttpError`]. With `without_redirects()` every error is searched for that of a client, so only say
//! it if the client that made the request is the only one behind that error.
//!
//! What cannot be seen from here belongs above the retries, or needs rules of your own that believe nothing: a layer that
//! follows redirects (tower-http's `FollowRedirect`), and responses of reqwest that are turned into `http::Response` and
//! whose body is then hidden in another type. While the body is still reqwest's, it is known by it.
//!
//! # Errors
//!
//! The error of a client is named in spans and in [`Attempts`](crate::retry::Attempts) by one of these:
//!
//! | `error.type` | what happened |
//! |---|---|
//! | `connection_refused` | nobody listens there |
//! | `dns` | the name of the host was not resolved |
//! | `connect_timeout` | no connection within the client's connect timeout |
//! | `tls` | the handshake failed; permanent if because of a certificate |
//! | `connect` | some other failure before there was a connection |
//! | `not_processed` | the connection closed before the request was sent, or HTTP/2 says that it was not processed |
//! | `reset` | the server reset the connection or the stream |
//! | `closed` | the connection ended before the response |
//! | `timeout` | the client's own timeout, or one of windbreak's |
//! | `protocol` | what came is not HTTP |
//! | `caller` | the caller's own mistake or failure |
//! | `_OTHER` | none of these |
//!
//! A response is named by its status, a rejection by its own name ([`Rejection::as_str`](crate::Rejection::as_str)).
//!
//! The **caller's own** are: a URL that cannot be called (relative, not HTTP, forbidden by `https_only`), too many
//! redirects, a request body that fails or ends too early, and a request that the client does not support. They say nothing
//! of the server, so they are ignored: neither counted nor retried. A caller that sends its body so slowly that a timeout
//! strikes cannot be told from a slow server: buffer uploads above the breaker.
//!
//! A **certificate** is found by the word in the error, since each TLS library has errors of its own. A **name that does not
//! exist** is told from one that could not be looked up where the resolver of the system says which it was: that of glibc
//! and musl does; those of macOS and Windows say the same of a machine without a network, and are not believed. Both are
//! permanent: a further attempt would fail in the same way, within the time of a request.
//!
//! # Until when
//!
//! By default a layer ends with the **head** of the response: then the permit of the bulkhead is given back, the timeout
//! stops and the verdict is recorded. With [`until_body_end`](crate::until_body_end) it ends with the **body**.
//!
//! # Connections
//!
//! The layers bound requests; connections belong to the client. What to set there:
//!
//! | | why | reqwest | hyper-util |
//! |---|---|---|---|
//! | its own retries | what an HTTP/2 server refuses is sent twice more, below our retries, without a pause or a budget: 9 streams for 3 attempts | `retry(reqwest::retry::never())` | only what was not sent: nothing to do |
//! | connect timeout | a host that is gone must not use up the attempt timeout; 0.5 to 1 s within a region | `connect_timeout` | `HttpConnector::set_connect_timeout` |
//! | read timeout | a body that stalls; [`ProgressTimeoutLayer`](progress_timeout::ProgressTimeoutLayer) does it for every client, in both directions | `read_timeout` | |
//! | idle time in the pool | below the keep-alive of the server, or it closes the connection under a request | `pool_idle_timeout` | `pool_idle_timeout`, and a `pool_timer` or it is not enforced |
//! | idle connections | what you need between two bursts | `pool_max_idle_per_host` | `pool_max_idle_per_host` |
//! | redirects | who follows them cannot tell what a failure means; see [above](#redirects) | `redirect(Policy::none())` | follows none |
//! | keep-alive probes of TCP | notice a host that is gone without a word | `tcp_keepalive` | `HttpConnector::set_keepalive` |
//! | keep-alive pings of HTTP/2 | one connection carries all requests, so a dead one fails all of them until it is noticed | `http2_keep_alive_interval`, `http2_keep_alive_timeout`, `http2_keep_alive_while_idle` | the same, and a `timer` |
//!
//! Keep the interval and the timeout of the pings together below the attempt timeout, so that a further attempt, or the next
//! probe of a circuit, does not meet the same dead connection. Where one falls silent every 3.5 s, 96 % of the requests
//! get a good response with pings every second, and 49 % without pings: all those before the first silence
//! (`docs/lab-sockets.md`).
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
//!     .timer(TokioTimer::new()) // for the pings
//!     .http2_keep_alive_interval(Duration::from_secs(5))
//!     .http2_keep_alive_timeout(Duration::from_secs(2))
//!     .http2_keep_alive_while_idle(true)
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
//!     .http2_keep_alive_interval(Duration::from_secs(5)) // with reqwest's feature `http2`
//!     .http2_keep_alive_timeout(Duration::from_secs(2))
//!     .http2_keep_alive_while_idle(true)
//!     .retry(reqwest::retry::never()) // the retries are ours
//!     .redirect(reqwest::redirect::Policy::none()) // and say so to the layers: `Http::builder().without_redirects()`
//!     .build()?;
//! # let _ = client;
//! # Ok::<(), reqwest::Error>(())
//! ```
//!
//! [h2]: https://www.rfc-editor.org/rfc/rfc9113#section-8.7
//! [methods]: https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2

mod classify;
mod discard;
mod drain;
mod effect;
pub mod idempotency_key;
mod keys;
mod message;
mod obey;
pub mod progress_timeout;
mod rate_limit_headers;
mod replay;
#[cfg(feature = "reqwest")]
mod reqwest;
mod retry_after;
mod rules;
mod structured_field;

pub use classify::HttpError;
pub use drain::Drain;
pub use message::{HttpRequest, HttpResponse, authority};
pub use replay::ResendCount;
pub use rules::{Http, HttpRules};
