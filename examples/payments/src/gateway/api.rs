use bytes::Bytes;
use http::{Request, Response};

use super::charge::{Answer, Charge, PayError};
use crate::domain::{Key, Provider};

/// What a provider says of a key when it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Charged {
        cents: u64,
        receipt: String,
    },
    Declined,
    Processing,
    /// Voided: nothing stands, and nothing will.
    Closed,
    /// It may still arrive.
    NotFound,
}

/// A line of what a provider has in its books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// As the provider has it: it may be no key of ours.
    pub key: String,
    pub found: Found,
}

/// What a callback says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackNews {
    pub key: Key,
    pub found: Found,
}

/// How a provider is spoken to. Requests have a path only: the wire knows the host.
pub trait Api: Send + Sync {
    fn provider(&self) -> Provider;

    fn charge(&self, charge: &Charge) -> Request<Bytes>;
    fn read_charge(&self, charge: &Charge, response: &Response<Bytes>) -> Result<Answer, PayError>;

    fn find(&self, key: &Key) -> Request<Bytes>;
    fn read_find(&self, key: &Key, response: &Response<Bytes>) -> Result<Found, PayError>;

    fn void(&self, key: &Key) -> Request<Bytes>;
    /// It is voided only if the response says so of this key: one that nobody can read says nothing, whatever its status is.
    fn read_void(&self, key: &Key, response: &Response<Bytes>) -> Result<(), PayError>;

    fn list(&self) -> Request<Bytes>;
    fn read_list(&self, response: &Response<Bytes>) -> Result<Vec<Listed>, PayError>;

    /// What is wrong with the body, where it is no callback.
    fn read_callback(&self, body: &[u8]) -> Result<CallbackNews, String>;
}

/// The answer to a charge, from what is found under its key.
pub(super) fn answer(at: Provider, found: Found) -> Result<Answer, PayError> {
    match found {
        Found::Charged { cents, receipt } => Ok(Answer::Charged { at, cents, receipt }),
        Found::Declined => Ok(Answer::Declined { at }),
        Found::Processing => Ok(Answer::Processing { at }),
        Found::Closed => Err(PayError::refused("closed").permanent()),
        Found::NotFound => Err(PayError::unclear("not found")),
    }
}

pub(super) const UNREADABLE: PayError = PayError::unclear("unreadable");

pub(super) fn request(method: http::Method, path: &str, content_type: &'static str, body: String) -> Request<Bytes> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(http::header::CONTENT_TYPE, content_type)
        .body(Bytes::from(body))
        .expect("keys hold letters, digits, dashes and dots")
}
