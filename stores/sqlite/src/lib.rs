//! The outbox of [`windbreak`](windbreak::outbox) in an SQLite database: embedded, with nothing to install.
//!
//! A message is written on a connection of the program's own, in the transaction that writes the order. The store has
//! another connection to the same file, for the relay.
//!
//! ```
//! use std::time::Duration;
//! use tower::service_fn;
//! use windbreak::Error;
//! use windbreak::outbox::{Message, Relay};
//! use windbreak::rules::ErrorsOnly;
//! use windbreak_sqlite::SqliteStore;
//! use windbreak_sqlite::rusqlite::Connection;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = std::env::temp_dir().join(format!("windbreak-sqlite-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let path = folder.join("orders.db");
//! let mut connection = Connection::open(&path)?;
//! connection.execute_batch("CREATE TABLE orders (id INTEGER PRIMARY KEY, state TEXT)")?;
//! let outbox = SqliteStore::open(&path)?;
//!
//! let deliver = service_fn(|message: Message| async move {
//!     assert_eq!(message.id, "order-7/paid");
//!     Ok::<_, Error<std::io::Error>>(())
//! });
//! let relay = Relay::builder("events", outbox.clone(), deliver, ErrorsOnly).build()?;
//! let handle = relay.handle();
//!
//! let order = async {
//!     let tx = connection.transaction()?;
//!     tx.execute("INSERT INTO orders VALUES (7, 'PAID')", [])?;
//!     outbox.insert_in(&tx, &Message::new("order-7/paid").topic("order-7"))?;
//!     tx.commit()?;
//!     handle.notify();
//!     while handle.delivered() == 0 {
//!         tokio::time::sleep(Duration::from_millis(1)).await;
//!     }
//!     Ok::<_, Box<dyn std::error::Error>>(())
//! };
//! relay.run(async { order.await.expect("it is written and delivered") }).await;
//! assert_eq!(handle.delivered(), 1);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok(())
//! # }
//! ```
//!
//! # One writer at a time
//!
//! SQLite lets one transaction write at a time. A transaction of yours that stays open holds the relay up, and what the relay
//! writes (twice for each message) waits for it: keep them short, and call no upstream within one. Looking for messages takes
//! no lock. A statement that had to wait for longer than the busy timeout of its connection (5 s unless you set it) fails with
//! "database is locked"; the relay traces that, and goes on later. The same is true of a disk that is full.
//!
//! All calls of the store run on tokio's threads for blocking work. They can be made in paused time: the clock stands still
//! meanwhile. But leases and waits run by SQLite's own clock, which is that of the machine, and does not pause.
//!
//! Each transaction is synced to the disk before it counts (`synchronous = FULL`), in WAL mode: it survives a process that is
//! killed, and a machine that loses its power. Set `PRAGMA synchronous = FULL` on connections of your own too.

mod store;

pub use rusqlite;
pub use store::SqliteStore;
