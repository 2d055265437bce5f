use windbreak_sqlite::SqliteStore;

use crate::files::Folder;
use crate::support::killed::{kill_and_audit, orders, work};
use crate::support::message;

const MESSAGES: usize = 400;

/// Without a parent that gives it orders, there is nothing to do.
#[tokio::test]
async fn the_child() {
    let Some((file, database)) = orders() else { return };
    work(SqliteStore::open(database).unwrap(), &file).await;
}

#[tokio::test]
async fn a_process_that_is_killed_again_and_again_loses_nothing() {
    let folder = Folder::new();
    let store = folder.store();
    let ids: Vec<_> = (0..MESSAGES).map(|place| format!("{}/{place}", place % 7)).collect();
    let mut connection = folder.connection();
    let tx = connection.transaction().unwrap();
    for id in &ids {
        store.insert_in(&tx, &message(id)).unwrap();
    }
    tx.commit().unwrap();
    let (file, database) = (folder.path().join("upstream"), folder.database());
    kill_and_audit("killed::the_child", &file, database.to_str().unwrap(), store, &ids).await;
}
