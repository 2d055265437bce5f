use std::task::{Context, Poll};

use tower_service::Service;

use super::body::Plain;
#[cfg(feature = "http")]
use super::body::WithBody;
use crate::bulkhead::{QueueingBulkhead, Semaphore};
use crate::circuit_breaker::{Circuit, CircuitBreaker};
use crate::error::{Error, ServiceError};
#[cfg(feature = "http")]
use crate::http::{HttpRequest, HttpRules};
use crate::oneshot::Oneshot;
use crate::per_key::{Evict, Keep};
use crate::retry::{Retry, RetryBudget};
use crate::rules::{Classify, Discard, Replay};
#[cfg(feature = "http")]
use crate::timeout::BodyTimer;
use crate::timeout::Timeout;
#[cfg(feature = "http")]
use crate::until_body_end::{GuardBody, ResponseFuture};

/// The layers of a stack around a client.
type Layers<S, R> = Timeout<Retry<CircuitBreaker<QueueingBulkhead<Timeout<ServiceError<S>>>, R>, R>>;

/// A client inside a [`Stack`](super::Stack). `Clone`, `Send` and `Sync` where the client is; clones share everything.
///
/// A clone for each call costs no allocation. Threads that call often wait less for one another if each keeps a clone: from
/// its second call on, a clone no longer writes to the same reference counts as the others. That takes an allocation for
/// each layer, once.
#[derive(Debug)]
pub struct StackService<S, R, B = Plain> {
    inner: Layers<S, R>,
    body: B,
    has_circuit: bool,
    has_bulkhead: bool,
}

/// An HTTP client inside a [`Stack`](super::Stack).
#[cfg(feature = "http")]
pub type HttpStackService<S, R = HttpRules> = StackService<S, R, WithBody>;

impl<S, R, B> StackService<S, R, B> {
    pub(super) const fn new(inner: Layers<S, R>, body: B, has_circuit: bool, has_bulkhead: bool) -> Self {
        Self { inner, body, has_circuit, has_bulkhead }
    }

    /// The client.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        self.inner.get_ref().get_ref().get_ref().get_ref().get_ref().get_ref()
    }

    /// The client.
    #[must_use]
    pub fn get_mut(&mut self) -> &mut S {
        self.inner.get_mut().get_mut().get_mut().get_mut().get_mut().get_mut()
    }

    /// The client, unwrapped.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner.into_inner().into_inner().into_inner().into_inner().into_inner().into_inner()
    }

    /// The circuit, unless it was left out.
    #[must_use]
    pub fn circuit(&self) -> Option<&Circuit> {
        self.has_circuit.then(|| self.inner.get_ref().get_ref().circuit())
    }

    /// The permits of the bulkhead, unless it was left out.
    #[must_use]
    pub fn semaphore(&self) -> Option<&Semaphore> {
        self.has_bulkhead.then(|| self.inner.get_ref().get_ref().get_ref().semaphore())
    }

    /// The budget that pays for the retries.
    #[must_use]
    pub fn budget(&self) -> &RetryBudget {
        self.inner.get_ref().policy().budget()
    }

    /// Sends a request: waits until the stack is ready, and calls it. Needs neither `mut` nor the `tower` crate.
    ///
    /// # Errors
    ///
    /// The client's own error, or the [`Rejection`](crate::Rejection) of a layer.
    ///
    /// # Panics
    ///
    /// If the response is not ready at once and there is no tokio runtime with its timer enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it gives everything back. Attempts that were sent may have taken effect.
    pub fn run<Request>(
        &self,
        request: Request,
    ) -> impl Future<Output = Result<<Self as Service<Request>>::Response, <Self as Service<Request>>::Error>>
    + use<S, R, B, Request>
    where
        Self: Service<Request> + Clone,
    {
        Oneshot::new(self.clone(), request)
    }
}

impl<S: Clone, R, B: Clone> Clone for StackService<S, R, B> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.body.clone(), self.has_circuit, self.has_bulkhead)
    }
}

impl<S: Evict, R, B> Evict for StackService<S, R, B> {
    fn keep(&self) -> Keep {
        self.inner.keep()
    }
}

/// The future of the layers.
type LayersFuture<S, R, Request> = <Layers<S, R> as Service<Request>>::Future;

impl<S, R, Request> Service<Request> for StackService<S, R>
where
    S: Service<Request> + Clone,
    R: Classify<S::Response, Error<S::Error>> + Replay<Request> + Discard<S::Response>,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = LayersFuture<S, R, Request>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline(always)]
    fn call(&mut self, request: Request) -> Self::Future {
        self.inner.call(request)
    }
}

#[cfg(feature = "http")]
impl<S, R, Request> Service<Request> for StackService<S, R, WithBody>
where
    S: Service<Request> + Clone,
    S::Response: GuardBody<BodyTimer>,
    R: Classify<S::Response, Error<S::Error>> + Replay<Request> + Discard<S::Response>,
    Request: HttpRequest,
{
    type Response = <S::Response as GuardBody<BodyTimer>>::Guarded;
    type Error = Error<S::Error>;
    type Future = ResponseFuture<LayersFuture<S, R, Request>>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline(always)]
    fn call(&mut self, request: Request) -> Self::Future {
        let until_head = self.body.until_head || request.method() == http::Method::HEAD;
        ResponseFuture::new(self.inner.call(request), until_head, None)
    }
}
