use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::slot::{InUse, Slot};
use crate::error::{Rejectable, Rejection};
use crate::oneshot::Oneshot;

pin_project! {
    /// The response of a [`PerKey`](super::PerKey). The key is not evicted before it is there.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ResponseFuture<K, L, S, R>
    where
        S: Service<R>,
    {
        #[pin]
        state: State<S, R>,
        slot: Option<InUse<K, L>>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, R>
    where
        S: Service<R>,
    {
        Called { #[pin] oneshot: Oneshot<S, R> },
        Rejected { rejection: Option<Rejection> },
    }
}

impl<K, L, S: Service<R>, R> ResponseFuture<K, L, S, R> {
    pub(super) const fn called(service: S, request: R, slot: Arc<Slot<K, L>>) -> Self {
        Self { state: State::Called { oneshot: Oneshot::new(service, request) }, slot: Some(InUse::new(slot)) }
    }

    pub(super) const fn rejected(rejection: Rejection) -> Self {
        Self { state: State::Rejected { rejection: Some(rejection) }, slot: None }
    }
}

impl<K, L, S, R> Future for ResponseFuture<K, L, S, R>
where
    S: Service<R>,
    S::Error: Rejectable,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.state.project() {
            StateProj::Called { oneshot } => {
                let result = ready!(oneshot.poll(cx));
                *this.slot = None;
                Poll::Ready(result)
            }
            StateProj::Rejected { rejection } => {
                Poll::Ready(Err(rejection.take().expect("it is not polled after it was ready").into()))
            }
        }
    }
}

impl<K, L, S: Service<R>, R> fmt::Debug for ResponseFuture<K, L, S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}
