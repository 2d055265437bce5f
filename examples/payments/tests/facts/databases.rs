//! A database for each test, and the macro that runs a fact on each kind.

use std::future::Future;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use payments::storage::{Postgres, Sql, Sqlite};

/// A number that no other database of this process has.
fn number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A folder that is removed with the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("payments-facts-{}-{}", std::process::id(), number()));
        std::fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    pub fn file(&self) -> PathBuf {
        self.0.join("orders.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub async fn with_sqlite<F: Future<Output = ()>>(fact: impl FnOnce(Sql<Sqlite>) -> F) {
    let folder = Folder::new();
    fact(Sqlite::open(&folder.file()).expect("a database")).await;
}

/// The server, or `None` after saying that the test is skipped.
pub fn server(test: &str) -> Option<String> {
    if let Ok(server) = std::env::var("WINDBREAK_POSTGRES") {
        return Some(server);
    }
    let is_required = std::env::var("WINDBREAK_POSTGRES_REQUIRED").is_ok_and(|value| value == "1");
    assert!(!is_required, "WINDBREAK_POSTGRES names no server, and WINDBREAK_POSTGRES_REQUIRED is 1");
    // Past the harness, which shows the output of tests that fail only.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: WINDBREAK_POSTGRES names no server");
    None
}

/// A database of its own on the server, which is dropped after the test.
pub async fn with_postgres<F: Future<Output = ()>>(test: &str, fact: impl FnOnce(String, Sql<Postgres>) -> F) {
    let Some(server) = server(test) else { return };
    let name = format!("facts_{}_{}", std::process::id(), number());
    let url = Postgres::create_database(&server, &name).await.expect("the server makes a database");
    let storage = Postgres::connect(&url).await.expect("a database");
    fact(url, storage).await;
    Postgres::drop_database(&server, &name).await.expect("the server drops it");
}

/// Runs each fact on each kind of database.
macro_rules! facts {
    ($($fact:ident),* $(,)?) => {
        mod on_sqlite {
            $(
                #[tokio::test]
                async fn $fact() {
                    crate::databases::with_sqlite(super::$fact).await;
                }
            )*
        }

        mod on_postgres {
            $(
                #[tokio::test]
                async fn $fact() {
                    let test = concat!(module_path!(), "::", stringify!($fact));
                    crate::databases::with_postgres(test, |_, storage| super::$fact(storage)).await;
                }
            )*
        }
    };
}

pub(crate) use facts;
