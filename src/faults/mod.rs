//! Fails on purpose, in tests and drills.
//!
//! The layer goes directly above the client, where real faults come from. All layers above it then act as they would in a
//! real failure. It works over any service, and its errors are the service's own: they are made by a closure. Off, which is the
//! default, it costs one relaxed load.
//!
//! | fault | is the call made? | what the caller sees |
//! |---|---|---|
//! | [`fail`](FaultPlan::fail) | no | an error |
//! | [`delay`](FaultPlan::delay) | yes | the result, later |
//! | [`hang`](FaultPlan::hang) | no | nothing, until a timeout of its own |
//! | [`lose_response`](FaultPlan::lose_response) | **yes** | nothing, until a timeout of its own |
//!
//! Payments must survive the last one: the upstream has acted, and the caller cannot tell this from a request that never
//! arrived. Without a timeout above, a request that hangs never ends. tower has no such layer.
//!
//! In a test, by a script:
//!
//! ```
//! use std::sync::atomic::{AtomicU32, Ordering};
//! use std::time::Duration;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::faults::{Fault, Faults};
//! use windbreak::{ServiceErrorLayer, TimeoutLayer};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), windbreak::InvalidConfig> {
//! static CHARGED: AtomicU32 = AtomicU32::new(0);
//!
//! let faults = Faults::new();
//! let client = ServiceBuilder::new()
//!     .layer(TimeoutLayer::new(Duration::from_secs(1)))
//!     .layer(faults.layer())
//!     .layer(ServiceErrorLayer)
//!     .service(service_fn(|amount: u32| async move {
//!         CHARGED.fetch_add(amount, Ordering::Relaxed);
//!         Ok::<_, std::io::Error>("receipt")
//!     }));
//!
//! faults.plan().script([Fault::Ok, Fault::LoseResponse, Fault::Hang]).start()?;
//! assert_eq!(client.clone().oneshot(1).await.unwrap(), "receipt");
//! assert!(client.clone().oneshot(10).await.unwrap_err().is_timeout());
//! assert!(client.clone().oneshot(100).await.unwrap_err().is_timeout());
//! assert_eq!(
//!     CHARGED.load(Ordering::Relaxed),
//!     11,
//!     "the second one was charged, and nobody knows"
//! );
//! # Ok(())
//! # }
//! ```
//!
//! In a drill, by rates, for a time, and for some requests only. The same seed and order of requests meet the same faults:
//!
//! ```
//! use std::time::Duration;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use windbreak::{Error, Faults, ServiceErrorLayer};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), windbreak::InvalidConfig> {
//! let faults = Faults::new().seed(7);
//! let client = ServiceBuilder::new()
//!     .layer(faults.layer())
//!     .layer(ServiceErrorLayer)
//!     .service(service_fn(|path: &'static str| async move { Ok::<_, &str>(path) }));
//!
//! faults
//!     .plan()
//!     .fail(0.2, |_: &&str| Error::Service("connection reset"))
//!     .delay(0.1, Duration::from_millis(50)..=Duration::from_secs(2))
//!     .only(|path| path.starts_with("/search"))
//!     .for_(Duration::from_secs(60))
//!     .start()?;
//! for _ in 0..100 {
//!     let _ = client.clone().oneshot("/search").await;
//!     assert!(client.clone().oneshot("/pay").await.is_ok());
//! }
//! let counts = faults.counts();
//! assert!(counts.failed > 10 && counts.failed < 30, "{counts:?}");
//!
//! tokio::time::sleep(Duration::from_secs(60)).await;
//! assert!(!faults.is_on());
//! # Ok(())
//! # }
//! ```
//!
//! While a plan runs, requests make it say so, once a second at most: a `WARN` `faults are on`, with the counts so far as
//! `failed`, `delayed`, `hung` and `lost`. When it has ended, it says `faults are off`, an `INFO`.

mod dice;
mod fault;
mod future;
mod handle;
mod layer;
mod plan;
mod running;
mod service;
mod switch;

pub use fault::Fault;
pub use future::ResponseFuture;
pub use handle::Faults;
pub use layer::FaultLayer;
pub use plan::FaultPlan;
pub use running::FaultCounts;
pub use service::Faulty;
