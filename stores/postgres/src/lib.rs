//! The outbox of [`windbreak`](windbreak::outbox) in a PostgreSQL database.
//!
//! A message is written on a connection of the program's own, in the transaction that writes the order. The store has one
//! connection beside it, for the relay, and makes a new one when that is lost. It needs no pool: statements go over it one
//! behind the other without waiting for each other's responses, and none is open while an upstream is called.
//!
//! ```no_run
//! use tower::service_fn;
//! use windbreak::Error;
//! use windbreak::outbox::{Message, Relay};
//! use windbreak::rules::ErrorsOnly;
//! use windbreak_postgres::PostgresStore;
//! use windbreak_postgres::tokio_postgres::{NoTls, connect};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let url = "postgres://shop@localhost/shop";
//! let outbox = PostgresStore::connect(url).await?;
//! outbox.create_table().await?;
//!
//! let deliver = service_fn(|message: Message| async move {
//!     println!("{} {:?}", message.id, message.payload);
//!     Ok::<_, Error<std::io::Error>>(())
//! });
//! let relay = Relay::builder("events", outbox.clone(), deliver, ErrorsOnly).build()?;
//! let handle = relay.handle();
//! tokio::spawn(relay.run(std::future::pending()));
//!
//! let (mut client, connection) = connect(url, NoTls).await?;
//! tokio::spawn(connection);
//! let tx = client.transaction().await?;
//! tx.execute("INSERT INTO orders VALUES (7, 'PAID')", &[]).await?;
//! outbox.insert_in(&tx, &Message::new("order-7/paid").topic("order-7")).await?;
//! tx.commit().await?;
//! handle.notify();
//! # Ok(())
//! # }
//! ```
//!
//! # Waking relays of other processes
//!
//! [`notify`](windbreak::outbox::RelayHandle::notify) wakes the relay of this process. For others, send a notification in the
//! transaction (`NOTIFY outbox`), which PostgreSQL delivers when it commits, and listen for it:
//!
//! ```no_run
//! use std::future::poll_fn;
//! use windbreak::outbox::RelayHandle;
//! use windbreak_postgres::tokio_postgres::{AsyncMessage, NoTls, connect};
//!
//! async fn listen(url: &str, relay: RelayHandle) -> Result<(), Box<dyn std::error::Error>> {
//!     let (client, mut connection) = connect(url, NoTls).await?;
//!     let listening = tokio::spawn(async move {
//!         while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
//!             if matches!(message, AsyncMessage::Notification(_)) {
//!                 relay.notify();
//!             }
//!         }
//!     });
//!     client.batch_execute("LISTEN outbox").await?;
//!     listening.await?;
//!     Ok(())
//! }
//! ```
//!
//! The relay polls in any case, so a listener that is gone costs a second, not a message.
//!
//! # Poolers
//!
//! No statement is prepared, and none needs a session: the store works through PgBouncer in transaction mode. `LISTEN` does
//! not.

mod session;
mod store;

pub use store::PostgresStore;
pub use tokio_postgres;
