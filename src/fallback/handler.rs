use std::fmt;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tower_service::Service;

use crate::classify::{CloneRequest, Replay};
use crate::oneshot::Oneshot;

/// Where the answer comes from when the service has none. Made by the constructors of
/// [`FallbackLayer`](super::FallbackLayer); implement it for what they do not cover.
pub trait Handler<R, T, E> {
    /// What it keeps of the request, from before the request was sent.
    type Kept;
    /// The answer to be.
    type Future: Future<Output = Result<T, E>>;

    /// Keeps what it will need of the request.
    fn keep(&self, request: &R) -> Self::Kept;

    /// Answers instead of `result`.
    fn handle(&self, kept: Self::Kept, result: Result<T, E>) -> Self::Future;
}

/// The same value each time. See [`FallbackLayer::value`](super::FallbackLayer::value).
#[derive(Debug, Clone, Copy)]
pub struct Value<T>(pub(super) T);

impl<R, T: Clone, E> Handler<R, T, E> for Value<T> {
    type Kept = ();
    type Future = Ready<Result<T, E>>;

    #[inline]
    fn keep(&self, _: &R) {}

    fn handle(&self, (): (), _: Result<T, E>) -> Self::Future {
        ready(Ok(self.0.clone()))
    }
}

/// A function of the result. See [`FallbackLayer::function`](super::FallbackLayer::function).
#[derive(Clone, Copy)]
pub struct Function<F>(pub(super) F);

impl<R, T, E, F> Handler<R, T, E> for Function<F>
where
    F: Fn(Result<T, E>) -> Result<T, E>,
{
    type Kept = ();
    type Future = Ready<Result<T, E>>;

    #[inline]
    fn keep(&self, _: &R) {}

    fn handle(&self, (): (), result: Result<T, E>) -> Self::Future {
        ready(self.0(result))
    }
}

/// An async function of the result. See [`FallbackLayer::async_function`](super::FallbackLayer::async_function).
#[derive(Clone, Copy)]
pub struct AsyncFunction<F>(pub(super) F);

impl<R, T, E, F, Fut> Handler<R, T, E> for AsyncFunction<F>
where
    F: Fn(Result<T, E>) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Kept = ();
    type Future = Fut;

    #[inline]
    fn keep(&self, _: &R) {}

    fn handle(&self, (): (), result: Result<T, E>) -> Self::Future {
        self.0(result)
    }
}

/// Another service. See [`FallbackLayer::service`](super::FallbackLayer::service).
#[derive(Debug, Clone, Copy)]
pub struct OtherService<S, P = CloneRequest> {
    pub(super) service: S,
    pub(super) replay: P,
}

impl<R, S, P> Handler<R, S::Response, S::Error> for OtherService<S, P>
where
    S: Service<R> + Clone,
    P: Replay<R>,
{
    type Kept = Option<R>;
    type Future = OtherServiceFuture<S, R>;

    #[inline]
    fn keep(&self, request: &R) -> Option<R> {
        self.replay.replay(request)
    }

    fn handle(&self, kept: Option<R>, result: Result<S::Response, S::Error>) -> Self::Future {
        let answer = kept.map(|request| Oneshot::new(self.service.clone(), request));
        let result = answer.is_none().then_some(result);
        OtherServiceFuture { answer, result }
    }
}

pin_project! {
    /// The answer of the other service; or the first result, if the request could not be copied.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct OtherServiceFuture<S, R>
    where
        S: Service<R>,
    {
        // Empty if the request could not be copied: then there is the result.
        #[pin]
        answer: Option<Oneshot<S, R>>,
        result: Option<Result<S::Response, S::Error>>,
    }
}

impl<S: Service<R>, R> Future for OtherServiceFuture<S, R> {
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.answer.as_pin_mut() {
            Some(answer) => answer.poll(cx),
            None => Poll::Ready(this.result.take().expect("polled after it was ready")),
        }
    }
}

impl<F> fmt::Debug for Function<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Function")
    }
}

impl<F> fmt::Debug for AsyncFunction<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AsyncFunction")
    }
}

impl<S: Service<R>, R> fmt::Debug for OtherServiceFuture<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OtherServiceFuture")
    }
}
