//! Files that are gone with the test.

use std::path::{Path, PathBuf};

use windbreak_sqlite::SqliteStore;
use windbreak_sqlite::rusqlite::Connection;

use crate::support::unique;

pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("windbreak-sqlite-{}", unique()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("outbox.db")
    }

    pub(crate) fn store(&self) -> SqliteStore {
        SqliteStore::open(self.database()).expect("a store")
    }

    /// As the program has it, beside the store's.
    pub(crate) fn connection(&self) -> Connection {
        Connection::open(self.database()).expect("a connection")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
