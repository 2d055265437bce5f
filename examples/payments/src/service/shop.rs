use std::sync::Arc;

use windbreak::InvalidConfig;

use crate::domain::Provider;
use crate::gateway::{Client, Gateway, Numbers, Wire};
use crate::storage::{Journal, Storage, StorageError};

/// The order service, whatever carries its requests and wherever it keeps its orders. Clones share everything.
#[derive(Debug)]
pub struct Shop<W, S> {
    pub(super) inside: Arc<Inside<W, S>>,
}

#[derive(Debug)]
pub(super) struct Inside<W, S> {
    pub(super) journal: Journal<S>,
    pub(super) gateway: Gateway<W, S>,
    pub(super) numbers: Numbers,
}

impl<W, S> Clone for Shop<W, S> {
    fn clone(&self) -> Self {
        Self { inside: Arc::clone(&self.inside) }
    }
}

impl<W: Wire, S: Storage> Shop<W, S> {
    /// Wires by provider: first Alpha's, then Beta's.
    pub fn new(storage: S, wires: [W; 2], numbers: Numbers) -> Result<Self, InvalidConfig> {
        let journal = Journal::new(storage, numbers.sweep_after);
        let [alpha, beta] = wires;
        let clients = [Client::new(Provider::Alpha, alpha), Client::new(Provider::Beta, beta)];
        let gateway = Gateway::build(clients, &journal, &numbers)?;
        Ok(Self { inside: Arc::new(Inside { journal, gateway, numbers }) })
    }

    pub fn storage(&self) -> &S {
        self.inside.journal.storage()
    }

    pub fn gateway(&self) -> &Gateway<W, S> {
        &self.inside.gateway
    }

    /// Throws the switches as they stood when the service was stopped.
    pub async fn restore_switches(&self) -> Result<(), StorageError> {
        for (name, value) in self.storage().switches().await? {
            // A switch of another version of the program is left as it is.
            let _ = self.throw(&name, &value);
        }
        Ok(())
    }

    /// Throws a switch, and has it stand after a restart. `by` says who threw it.
    pub async fn switch(&self, name: &str, value: &str) -> Result<(), SwitchError> {
        self.throw(name, value).map_err(SwitchError::Unknown)?;
        self.storage().set_switch(name, value).await.map_err(SwitchError::Storage)
    }

    /// `prefer` takes the name of a provider, `alpha` and `beta` take `on` or `off`, and `moving` takes `automatic` or
    /// `manual`.
    fn throw(&self, name: &str, value: &str) -> Result<(), String> {
        let steer = self.inside.gateway.steer();
        let by = "operator";
        match (name, value) {
            ("prefer", provider) => steer.prefer(provider, by).map_err(|error| error.to_string()),
            ("moving", "automatic") => {
                steer.automatic(by);
                Ok(())
            }
            ("moving", "manual") => {
                steer.manual(by);
                Ok(())
            }
            (provider, "off") => steer.exclude(provider, by).map_err(|error| error.to_string()),
            (provider, "on") => steer.restore(provider, by).map_err(|error| error.to_string()),
            _ => Err(format!(
                "switch `{name}` to `{value}`: write `prefer alpha|beta`, `alpha|beta on|off` or `moving automatic|manual`"
            )),
        }
    }
}

/// A switch could not be thrown.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    #[error("{0}")]
    Unknown(String),
    /// It is thrown, and will not stand after a restart.
    #[error("it holds until the next restart only: {0}")]
    Storage(StorageError),
}
