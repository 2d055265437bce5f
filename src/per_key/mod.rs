//! A layer for each key: many hosts behind one client.
//!
//! One circuit for all hosts would let one dead host cut off the others. [`PerKeyLayer`] makes a layer for each key of
//! a request, when the key is first seen: a circuit breaker, a rate limit, a bulkhead, retries with a budget of their own,
//! or a stack of these. It keeps a bounded number of keys, and evicts none whose layer protects something: a circuit that
//! is open or switched by hand, a bulkhead with requests in flight, a rate limit whose burst is not back in full. Where
//! there is no room, new keys share one layer. See [`PerKeyLayer`] for the rules, [`Keep`] for those of each layer, and
//! [`Evict`] for layers of your own.
//!
//! [`Circuit::sibling`](crate::Circuit::sibling) and its likes make another one by the same rules:
//!
//! ```
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::rules::ErrorsOnly;
//! use windbreak::{Circuit, CircuitBreakerLayer, Error, PerKeyLayer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), windbreak::InvalidConfig> {
//! let rules = Circuit::builder("any shard").count_window(10).minimum_calls(1).build()?;
//! let client = ServiceBuilder::new()
//!     .layer(PerKeyLayer::new(
//!         1024,
//!         |shard: &u8| *shard,
//!         move |shard| {
//!             CircuitBreakerLayer::new(
//!                 rules.sibling(format!("shard {shard}")),
//!                 ErrorsOnly,
//!             )
//!         },
//!     )?)
//!     .map_err(Error::Service)
//!     .service(service_fn(|shard: u8| async move {
//!         if shard == 1 { Err("down") } else { Ok(shard) }
//!     }));
//!
//! assert_eq!(client.clone().oneshot(1).await, Err(Error::Service("down")));
//! assert!(client.clone().oneshot(1).await.unwrap_err().is_circuit_open());
//! assert_eq!(client.oneshot(2).await, Ok(2));
//! # Ok(())
//! # }
//! ```
//!
//! For HTTP the key is the host. Here each host has a circuit and a bulkhead:
#![cfg_attr(feature = "http", doc = "```")]
#![cfg_attr(not(feature = "http"), doc = "```ignore")]
//! use std::time::Duration;
//! use tower::ServiceBuilder;
//! use windbreak::http::{Http, authority};
//! use windbreak::{BulkheadLayer, Circuit, CircuitBreakerLayer, PerKeyLayer};
//!
//! # fn main() -> Result<(), windbreak::InvalidConfig> {
//! let circuit = Circuit::builder("any host").time_window(Duration::from_secs(30)).build()?;
//! let bulkhead = BulkheadLayer::new(32)?;
//! let per_host = PerKeyLayer::new(1024, authority::<http::Request<String>>, move |host| {
//!     ServiceBuilder::new()
//!         .layer(CircuitBreakerLayer::new(circuit.sibling(host.as_str()), Http))
//!         .layer(bulkhead.sibling())
//!         .into_inner()
//! })?;
//! # let _ = per_host.max_idle(Duration::from_secs(600));
//! # Ok(())
//! # }
//! ```

mod evict;
mod future;
mod layer;
mod making;
mod recent;
mod ring;
mod service;
mod services;
mod slot;
mod stateless;
mod table;

pub use evict::{Bottom, Evict, Keep};
pub use future::ResponseFuture;
pub use layer::PerKeyLayer;
pub use service::PerKey;
pub use slot::Entry;
pub use stateless::{Stateless, StatelessLayer};
