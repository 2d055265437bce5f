use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

pin_project! {
    /// One request to a service: first until it is ready, then the call.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Oneshot<S, R>
    where
        S: Service<R>,
    {
        #[pin]
        state: State<S, R>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, R>
    where
        S: Service<R>,
    {
        Readiness { service: S, request: Option<R> },
        Call { #[pin] call: S::Future },
    }
}

impl<S: Service<R>, R> Oneshot<S, R> {
    pub(crate) const fn new(service: S, request: R) -> Self {
        Self { state: State::Readiness { service, request: Some(request) } }
    }
}

impl<S: Service<R>, R> Future for Oneshot<S, R> {
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let call = match state.as_mut().project() {
                StateProj::Readiness { service, request } => {
                    ready!(service.poll_ready(cx))?;
                    // Readiness -> Call: the service is ready.
                    service.call(request.take().expect("it is called once"))
                }
                StateProj::Call { call } => return call.poll(cx),
            };
            state.set(State::Call { call });
        }
    }
}

impl<S: Service<R>, R> fmt::Debug for Oneshot<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Oneshot")
    }
}
