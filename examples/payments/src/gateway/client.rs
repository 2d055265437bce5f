use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tokio::time::timeout;

use super::alpha::Alpha;
use super::api::{Api, CallbackNews, Found, Listed};
use super::beta::Beta;
use super::charge::{Answer, Charge, PayError};
use super::wire::Wire;
use crate::domain::{Key, Provider};
use crate::gauge::{HEADER, held};

/// One provider, as it is spoken to. It tries everything once.
#[derive(Clone)]
pub struct Client<W> {
    api: &'static dyn Api,
    wire: W,
}

/// A whole list takes longer than one payment.
const LIST: Duration = Duration::from_secs(10);

impl<W: Wire> Client<W> {
    pub fn new(provider: Provider, wire: W) -> Self {
        let api: &'static dyn Api = match provider {
            Provider::Alpha => &Alpha,
            Provider::Beta => &Beta,
        };
        Self { api, wire }
    }

    pub fn provider(&self) -> Provider {
        self.api.provider()
    }

    /// What is no readable answer is an error here, below all the layers: a 200 that nobody can read says nothing.
    pub async fn charge(&self, charge: Charge) -> Result<Answer, PayError> {
        let response = self.send(self.api.charge(&charge)).await?;
        self.api.read_charge(&charge, &response)
    }

    pub async fn find(&self, key: &Key) -> Result<Found, PayError> {
        let response = self.send(self.api.find(key)).await?;
        self.api.read_find(key, &response)
    }

    pub async fn void(&self, key: &Key) -> Result<(), PayError> {
        let response = self.send(self.api.void(key)).await?;
        self.api.read_void(key, &response)
    }

    pub async fn list(&self) -> Result<Vec<Listed>, PayError> {
        let response = timeout(LIST, self.send(self.api.list())).await.map_err(|_| PayError::unclear("timeout"))??;
        self.api.read_list(&response)
    }

    pub fn read_callback(&self, body: &[u8]) -> Result<CallbackNews, String> {
        self.api.read_callback(body)
    }

    async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, PayError> {
        if let Some(held) = held() {
            request.headers_mut().insert(HEADER, held.into());
        }
        let response = self.wire.send(request).await;
        response.map_err(|error| PayError { effect: error.effect, ..PayError::refused(error.what) })
    }
}

impl<W> fmt::Debug for Client<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("provider", &self.api.provider()).finish_non_exhaustive()
    }
}
