//! Gives a request that is not idempotent a key by which the server recognises a repeat of it.
//!
//! A server that honours `Idempotency-Key` ([IETF draft][draft]; as payment services do) acts once on all requests with
//! the same key, so such a request may be retried like a `GET`. The layer goes **outside the retries**: the key is
//! made once for a request and is the same for all its attempts. Only use it with a server that knows the header:
//! to one that does not, a repeat is just another order.
//!
//! ```
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::http::idempotency_key::IdempotencyKeyLayer;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = ServiceBuilder::new().layer(IdempotencyKeyLayer::new()).service(
//!     service_fn(|request: http::Request<()>| async move {
//!         Ok::<_, std::io::Error>(request.headers().get("idempotency-key").cloned())
//!     }),
//! );
//!
//! let key =
//!     client.clone().oneshot(http::Request::post("/orders").body(())?).await?.unwrap();
//! assert_eq!(key.len(), 34); // 32 hexadecimal digits in quotes
//!
//! let mine =
//!     http::Request::post("/orders").header("idempotency-key", "\"mine\"").body(())?;
//! assert_eq!(client.clone().oneshot(mine).await?.unwrap(), "\"mine\"");
//! assert_eq!(client.oneshot(http::Request::get("/orders").body(())?).await?, None);
//! # Ok(())
//! # }
//! ```
//!
//! Random keys protect one run of the program. Where an order may be sent again after a crash or by another process, its
//! key must come from the order: [`key_from`](IdempotencyKeyLayer::key_from).
//!
//! ```
//! use http::{HeaderValue, Request};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::http::idempotency_key::IdempotencyKeyLayer;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! struct Order { number: u64 }
//!
//! let client = ServiceBuilder::new()
//!     .layer(IdempotencyKeyLayer::new().key_from(|request: &Request<Order>| {
//!         HeaderValue::try_from(format!("\"order-{}\"", request.body().number)).ok()
//!     }))
//!     .service(service_fn(|request: Request<Order>| async move {
//!         Ok::<_, std::io::Error>(request.headers().get("idempotency-key").cloned())
//!     }));
//!
//! let key = client.oneshot(Request::post("/orders").body(Order { number: 7 })?).await?;
//! assert_eq!(key.unwrap(), "\"order-7\"");
//! # Ok(())
//! # }
//! ```
//!
//! With another header and keys of your own:
//!
//! ```
//! use http::{HeaderName, HeaderValue};
//! use windbreak::http::Http;
//! use windbreak::http::idempotency_key::IdempotencyKeyLayer;
//!
//! # fn main() {
//! let name = HeaderName::from_static("x-request-token");
//! let layer = IdempotencyKeyLayer::new()
//!     .header(name.clone())
//!     .generator(|| HeaderValue::from_static("\"7\""));
//! let rules = Http::builder().idempotency_header(name); // for the retries to know it by
//! # let _ = (layer, rules);
//! # }
//! ```
//!
//! [draft]: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/

mod layer;
mod service;
mod source;

pub use layer::IdempotencyKeyLayer;
pub use service::IdempotencyKey;
pub use source::{GeneratedKeys, KeySource, KeysFrom, RandomKeys};
