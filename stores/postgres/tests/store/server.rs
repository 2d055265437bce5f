//! The server of the tests. Each test has a schema of its own there.

use std::io::Write as _;

use windbreak_postgres::PostgresStore;
use windbreak_postgres::tokio_postgres::{Client, NoTls};

use crate::support::unique;

/// A schema, by the URL whose connections use it.
pub(crate) struct Schema {
    pub(crate) url: String,
}

/// `None`, and a word about it, if no server is named.
pub(crate) async fn schema() -> Option<Schema> {
    let Ok(server) = std::env::var("WINDBREAK_POSTGRES") else {
        let required = std::env::var("WINDBREAK_POSTGRES_REQUIRED").is_ok_and(|value| value == "1");
        assert!(!required, "WINDBREAK_POSTGRES names no server, and WINDBREAK_POSTGRES_REQUIRED is 1");
        // Past the harness, which hides what a test that passes prints.
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        let _ = writeln!(std::io::stderr(), "SKIPPED {test}: WINDBREAK_POSTGRES names no server");
        return None;
    };
    let name = unique();
    client(&server).await.batch_execute(&format!("CREATE SCHEMA {name}")).await.expect("a schema");
    let separator = if server.contains('?') { '&' } else { '?' };
    Some(Schema { url: format!("{server}{separator}options=-c%20search_path%3D{name}") })
}

impl Schema {
    pub(crate) async fn store(&self) -> PostgresStore {
        let store = PostgresStore::connect(&self.url).await.expect("a connection");
        store.create_table().await.expect("a table");
        store
    }

    /// As the program has it, beside the store's.
    pub(crate) async fn client(&self) -> Client {
        client(&self.url).await
    }
}

async fn client(url: &str) -> Client {
    let (client, connection) = windbreak_postgres::tokio_postgres::connect(url, NoTls).await.expect("a connection");
    tokio::spawn(connection);
    client
}
