use windbreak_postgres::PostgresStore;

use crate::server::schema;
use crate::support::killed::{kill_and_audit, orders, work};
use crate::support::{message, unique};

const MESSAGES: usize = 600;

/// Without a parent that gives it orders, there is nothing to do.
#[tokio::test]
async fn the_child() {
    let Some((file, database)) = orders() else { return };
    work(PostgresStore::connect(&database).await.unwrap(), &file).await;
}

#[tokio::test]
async fn a_process_that_is_killed_again_and_again_loses_nothing() {
    let Some(schema) = schema().await else { return };
    let store = schema.store().await;
    let ids: Vec<_> = (0..MESSAGES).map(|place| format!("{}/{place}", place % 7)).collect();
    let mut client = schema.client().await;
    let tx = client.transaction().await.unwrap();
    for id in &ids {
        store.insert_in(&tx, &message(id)).await.unwrap();
    }
    tx.commit().await.unwrap();
    let file = std::env::temp_dir().join(format!("windbreak-postgres-{}", unique()));
    kill_and_audit("killed::the_child", &file, &schema.url, store, &ids).await;
    let _ = std::fs::remove_file(&file);
}
