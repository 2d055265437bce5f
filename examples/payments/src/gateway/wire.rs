use bytes::Bytes;
use http::{Request, Response};
use windbreak::Effect;

/// Carries a request to a provider: over a socket, or in the same process.
pub trait Wire: Clone + Send + Sync + 'static {
    fn send(&self, request: Request<Bytes>) -> impl Future<Output = Result<Response<Bytes>, WireError>> + Send;
}

/// No whole response came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireError {
    pub effect: Effect,
    pub what: &'static str,
}
