use std::task::{Context, Poll};

use http::Method;
use tower_layer::Layer;
use tower_service::Service;

use super::body::{GuardBody, JudgeTrailers};
use super::future::ResponseFuture;
use super::guard::Hold;
use crate::bulkhead::{AdaptiveBulkheadLayer, BulkheadLayer, QueueingBulkheadLayer};
use crate::circuit_breaker::CircuitBreakerLayer;
use crate::http::HttpRequest;
use crate::macros::service_accessors;
use crate::per_key::{Evict, Keep};
use crate::timeout::TimeoutLayer;

/// Makes a layer end with the body of the response. Made by `until_body_end()` of the layer.
#[derive(Debug, Clone, Copy)]
pub struct UntilBodyEndLayer<L> {
    layer: L,
    judge: Option<JudgeTrailers>,
}

/// A service whose layer ends with the body of the response. Made by [`UntilBodyEndLayer`].
#[derive(Debug, Clone, Copy)]
pub struct UntilBodyEnd<S> {
    inner: S,
    judge: Option<JudgeTrailers>,
}

impl BulkheadLayer {
    /// Holds the permit until the body of the response has ended, or was dropped.
    #[must_use]
    pub const fn until_body_end(self) -> UntilBodyEndLayer<Self> {
        UntilBodyEndLayer { layer: self, judge: None }
    }
}

impl QueueingBulkheadLayer {
    /// Holds the permit until the body of the response has ended, or was dropped.
    #[must_use]
    pub const fn until_body_end(self) -> UntilBodyEndLayer<Self> {
        UntilBodyEndLayer { layer: self, judge: None }
    }
}

impl<R, L> AdaptiveBulkheadLayer<R, L> {
    /// Holds the permit until the body of the response has ended, or was dropped. The round-trip time is still that to the
    /// head of the response.
    #[must_use]
    pub const fn until_body_end(self) -> UntilBodyEndLayer<Self> {
        UntilBodyEndLayer { layer: self, judge: None }
    }
}

impl<R> CircuitBreakerLayer<R> {
    /// Records a call once the body of its response has ended: a body that breaks off is a failure, one that the caller
    /// drops is a success, and the time that the body takes is part of the call, without the time in which the caller did
    /// not read. A response whose head is a failure is recorded at once.
    #[must_use]
    pub const fn until_body_end(self) -> UntilBodyEndLayer<Self> {
        UntilBodyEndLayer { layer: self, judge: None }
    }
}

impl TimeoutLayer {
    /// Bounds the body of the response too, whether the upstream is slow to send it or the caller to read it. When the
    /// timeout elapses the body is dropped, and its reader gets an `io::Error` of kind `TimedOut` that holds the
    /// [`Rejection`](crate::Rejection). Not for streams that are meant to go on.
    #[must_use]
    pub const fn until_body_end(self) -> UntilBodyEndLayer<Self> {
        UntilBodyEndLayer { layer: self, judge: None }
    }
}

impl<R> UntilBodyEndLayer<CircuitBreakerLayer<R>> {
    /// Judges the trailers of a response whose head was good: a `Failure` is recorded as one, every other verdict as a
    /// success. For protocols that tell of failures at the end, as gRPC does with its status.
    ///
    /// ```
    /// use windbreak::http::Http;
    /// use windbreak::{Circuit, CircuitBreakerLayer, Verdict};
    ///
    /// # fn main() -> Result<(), windbreak::InvalidConfig> {
    /// let layer = CircuitBreakerLayer::new(Circuit::builder("quotes").build()?, Http)
    ///     .until_body_end()
    ///     .judge_trailers(|trailers| {
    ///         let status = trailers.get("grpc-status");
    ///         let is_down = status.is_some_and(|status| status == "14" || status == "13");
    ///         if is_down { Verdict::UNKNOWN } else { Verdict::Success }
    ///     });
    /// # let _ = layer;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn judge_trailers(mut self, judge: JudgeTrailers) -> Self {
        self.judge = Some(judge);
        self
    }
}

impl<S, L> Layer<S> for UntilBodyEndLayer<L>
where
    L: Layer<S>,
{
    type Service = UntilBodyEnd<L::Service>;

    fn layer(&self, inner: S) -> Self::Service {
        UntilBodyEnd { inner: self.layer.layer(inner), judge: self.judge }
    }
}

service_accessors!(UntilBodyEnd<S>);

impl<S: Evict> Evict for UntilBodyEnd<S> {
    fn keep(&self) -> Keep {
        self.inner.keep()
    }
}

impl<S, R, F> Service<R> for UntilBodyEnd<S>
where
    S: Service<R, Future = F>,
    R: HttpRequest,
    F: Hold + Future<Output = Result<S::Response, S::Error>>,
    S::Response: GuardBody<F::Guard>,
{
    type Response = <S::Response as GuardBody<F::Guard>>::Guarded;
    type Error = S::Error;
    type Future = ResponseFuture<F>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        let is_head = request.method() == Method::HEAD;
        ResponseFuture::new(self.inner.call(request), is_head, self.judge)
    }
}
