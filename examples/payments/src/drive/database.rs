use std::path::PathBuf;

use crate::storage::{Postgres, Sql, Sqlite, StorageError};

/// Where the orders are kept: as `--database` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Sqlite(PathBuf),
    Postgres(String),
}

impl Place {
    /// A URL of PostgreSQL, or a file.
    pub fn parse(text: &str) -> Self {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            Self::Postgres(text.to_owned())
        } else {
            Self::Sqlite(PathBuf::from(text))
        }
    }
}

/// An empty database for one run, which is removed once the run was clean.
#[derive(Debug)]
pub enum Home {
    File { folder: PathBuf },
    Server { server: String, name: String, url: String },
}

impl Home {
    /// A file in a new folder, or a new database on the server that `server` names.
    pub async fn new(server: Option<&str>, seed: u64) -> Result<Self, StorageError> {
        let name = format!("payments_{}_{seed}", std::process::id());
        if let Some(server) = server {
            let url = Postgres::create_database(server, &name).await?;
            return Ok(Self::Server { server: server.to_owned(), name, url });
        }
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).map_err(|error| StorageError::Other(error.to_string()))?;
        Ok(Self::File { folder })
    }

    /// What `--database` takes.
    pub fn text(&self) -> String {
        match self {
            Self::File { folder } => folder.join("orders.db").to_string_lossy().into_owned(),
            Self::Server { url, .. } => url.clone(),
        }
    }

    pub async fn remove(self) -> Result<(), StorageError> {
        match self {
            Self::File { folder } => {
                std::fs::remove_dir_all(folder).map_err(|error| StorageError::Other(error.to_string()))
            }
            Self::Server { server, name, .. } => Postgres::drop_database(&server, &name).await,
        }
    }
}

/// Opens a file on a thread that may block.
pub async fn sqlite(path: &std::path::Path) -> Result<Sql<Sqlite>, StorageError> {
    let path = path.to_owned();
    let opening = tokio::task::spawn_blocking(move || Sqlite::open(&path));
    opening.await.unwrap_or_else(|error| Err(StorageError::Other(error.to_string())))
}
