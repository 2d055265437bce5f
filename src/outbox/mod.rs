//! Messages that are written with the data they tell of, and delivered at least once.
//!
//! A program that writes to its database and then calls an upstream can be killed between the two, and then nobody knows of
//! the call that is missing. So the call is written down first, in the same transaction as the data, and made from there:
//!
//! 1. **Transaction 1** writes the order and a [`Message`], or neither.
//! 2. A [`Relay`] claims the message, calls the upstream through a tower service, with all the resilience of a
//!    [`Stack`](crate::Stack), and writes down what became of it. No connection to the database is held meanwhile.
//! 3. **The receiver** recognises a message that comes again by [`Message::id`], and does nothing the second time.
//! 4. **A sweep** is a message too: [`due_in`](Message::due_in) five minutes, it has the relay look after an order that should
//!    be settled by then.
//!
//! # What it promises
//!
//! - **At least once.** A message is delivered until it is done or [parked](Store::parked) for a person, also when processes
//!   are killed at any moment. It comes more than once when the response was lost, a relay died, or a result could not be
//!   written. So **the receiver must recognise repeats by the id**: send it as the idempotency key.
//! - **In order within a topic**, one at a time; topics are delivered in parallel. The order is that of insertion.
//!   Transactions that run at the same time have no order between them: lock the row of the order if they need one. A message
//!   whose transaction commits late is delivered late, and never overlooked.
//! - **Fenced leases.** A claim leases a message by the store's clock, and each claim has a larger number. Whoever settles a
//!   claim that another one has replaced changes nothing. The lease is not extended: a delivery is bounded by
//!   [`timeout`](RelayBuilder::timeout), the lease is twice as long.
//! - **An attempt counts only if the upstream was asked.** While our own layers reject, the relay waits.
//!
//! # What a result leads to
//!
//! | result | the message | attempts |
//! |---|---|---|
//! | [`Success`](crate::Verdict::Success) | is done | |
//! | [`Declined`](crate::Verdict::Declined), a permanent failure | is parked at once | +1 |
//! | a failure, [`InProgress`](crate::Verdict::InProgress), a panic of the service or the rules | is tried again after what the upstream asks for plus the backoff, or parked after [`max_attempts`](RelayBuilder::max_attempts) | +1 |
//! | [`Throttled`](crate::Verdict::Throttled) | waits | |
//! | a [`Rejection`](crate::Rejection) before sending, such as `CircuitOpen`; not ready in time | waits | |
//! | a rejection that will never admit it; [`Ignored`](crate::Verdict::Ignored), which is a mistake of the program | is parked at once | |
//!
//! A message that **waits** is tried again after `retry_after` and a jittered pause. Until `retry_after` is over (without
//! one, the first backoff), at most a minute, the relay claims nothing else either: the upstream is down for every message.
//! What an upstream asks for holds a message back for a day at most. So use **one relay for each upstream**, and give each a
//! queue of its own; the stores have them. Put no [`Failover`](crate::Failover) under a relay whose messages must not take
//! effect twice: each delivery is a new request to it, also after one of unknown effect.
//!
//! A parked message blocks its topic, or is [stepped over](ParkedHead). [`unpark`](Store::unpark) has it delivered again
//! under the same id. Before a person does that to a message whose effect is unknown, the receiver has to be asked, unless it
//! recognises repeats.
//!
//! # When the relay looks
//!
//! When it is [notified](RelayHandle::notify), when something that it knows of falls due, when a delivery ends, and every
//! [`poll_every`](RelayBuilder::poll_every) in any case: a notification is a hint that may be lost.
//!
//! # Stores
//!
//! A claim costs about the same whatever waits, in one topic or in many. In a database it grows only where more than a hundred of
//! the longest due are held up by others of their topics, and more than a thousand topics have messages waiting: see
//! [`sqlite`] and [`postgres`].
//!
//! [`MemoryStore`] is for tests in paused time. `windbreak-sqlite` and `windbreak-postgres` are crates of their own; their
//! schema and statements are in [`sqlite`] and [`postgres`]. Whoever writes another one runs [`check`] on it.
//!
//! | event | level | fields |
//! |---|---|---|
//! | `message delivered` | `DEBUG` | `relay`, `id` |
//! | `message waits` | `DEBUG` | `relay`, `id`, `after`, `reason` |
//! | `message released` | `DEBUG` | `relay`, `id` |
//! | `delivery failed` | `INFO` | `relay`, `id`, `attempts`, `after`, `reason` |
//! | `lease lost`, `result not written` | `WARN` | `relay`, `id` |
//! | `outbox store failed` | `WARN` | `relay`, `method`, `error` |
//! | `message parked` | `ERROR` | `relay`, `id`, `attempts`, `reason` |
//!
//! The response is lost, and the receiver recognises the repeat:
//!
//! ```
//! use std::collections::HashMap;
//! use std::sync::{Arc, Mutex};
//! use std::time::Duration;
//! use tower::service_fn;
//! use windbreak::Error;
//! use windbreak::outbox::{MemoryStore, Message, Relay, Store};
//! use windbreak::rules::ErrorsOnly;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // What the warehouse was told, by the id of the message.
//! let warehouse = Arc::new(Mutex::new(HashMap::new()));
//! let told = Arc::clone(&warehouse);
//! let service = service_fn(move |message: Message| {
//!     let is_new = told.lock().unwrap().insert(message.id, message.payload).is_none();
//!     async move {
//!         if is_new { Err(Error::Service("connection reset")) } else { Ok(()) }
//!     }
//! });
//!
//! let store = MemoryStore::new();
//! let paid = Message::new("order-7/paid").topic("order-7").payload("1200 cents");
//! store.insert(&paid).await?; // with a real store: in the transaction that writes the order
//!
//! let relay = Relay::builder("warehouse", store, service, ErrorsOnly).build()?;
//! let handle = relay.handle();
//! relay.run(tokio::time::sleep(Duration::from_secs(10))).await;
//!
//! assert_eq!((handle.delivered(), handle.retried()), (1, 1));
//! assert_eq!(warehouse.lock().unwrap()["order-7/paid"], b"1200 cents");
//! # Ok(())
//! # }
//! ```
//!
//! A sweep, behind a stack whose open circuit costs no attempt; and what is declined is put before a person:
//!
//! ```
//! use std::time::Duration;
//! use tower::{Layer, service_fn};
//! use windbreak::outbox::{MemoryStore, Message, ParkedHead, Relay, Store};
//! use windbreak::rules::rules_fn;
//! use windbreak::{Circuit, CircuitBreakerLayer, Error, Verdict};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! enum Order {
//!     Paid,
//!     Unknown,
//! }
//!
//! let rules = rules_fn(|result: Result<&Order, &Error<std::io::Error>>| match result {
//!     Ok(Order::Paid) => Verdict::Success,
//!     Ok(Order::Unknown) => Verdict::Declined,
//!     Err(error) => error.rejection().map_or(Verdict::UNKNOWN, Verdict::from),
//! });
//! let circuit = Circuit::builder("provider").build()?;
//! let ask = service_fn(|sweep: Message| async move {
//!     let order = if sweep.id == "sweep/order-7" { Order::Paid } else { Order::Unknown };
//!     Ok::<_, Error<std::io::Error>>(order)
//! });
//! let service = CircuitBreakerLayer::new(circuit.clone(), rules.clone()).layer(ask);
//!
//! let store = MemoryStore::new();
//! for order in ["sweep/order-7", "sweep/order-8"] {
//!     store.insert(&Message::new(order).due_in(Duration::from_secs(300))).await?;
//! }
//! let relay = Relay::builder("sweep", store.clone(), service, rules)
//!     .max_attempts(1)
//!     .parked_head(ParkedHead::IsSteppedOver)
//!     .build()?;
//! let handle = relay.handle();
//! let hour = async {
//!     circuit.force_open();
//!     tokio::time::sleep(Duration::from_secs(1800)).await;
//!     assert_eq!(handle.delivered(), 0);
//!     circuit.reset();
//!     tokio::time::sleep(Duration::from_secs(1800)).await;
//! };
//! relay.run(hour).await;
//!
//! assert_eq!(handle.delivered(), 1);
//! let parked = store.parked(0, 10).await?;
//! assert_eq!(parked[0].message.id, "sweep/order-8");
//! # Ok(())
//! # }
//! ```

pub mod postgres;
pub mod sqlite;

mod builder;
mod check;
mod claim;
mod counts;
mod delivery;
mod error;
mod handle;
mod memory;
mod message;
mod next;
mod numbers;
mod parked;
mod plan;
mod relay;
mod settlement;
mod settling;
mod shared;
mod shutdown;
mod store;

pub use builder::RelayBuilder;
pub use check::{Broken, check};
pub use claim::{Claim, Claimed, Lease};
pub use error::StoreError;
pub use handle::RelayHandle;
pub use memory::{MemoryStore, State};
pub use message::Message;
pub use parked::{Parked, ParkedHead};
pub use relay::Relay;
pub use settlement::Settlement;
pub use store::{NEVER, Store};
