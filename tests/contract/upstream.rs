//! A service that a test steers, and that panics where whoever calls it breaks tower's contract.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use tower::Service;
use windbreak::Error;

/// Whoever holds a copy of the request shows in the count.
pub(crate) type Request = Arc<()>;
pub(crate) type Reply = Result<&'static str, Error<&'static str>>;

/// What the upstream says to `poll_ready`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Readiness {
    #[default]
    Ready,
    Pending,
    Fails,
}

/// What becomes of a call. Looked up when its future is polled.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Fate {
    #[default]
    Responds,
    Fails,
    Pends,
    PanicsWhenCalled,
    PanicsWhenPolled,
}

/// The service. Every instance is one that must be polled ready before each call.
#[derive(Debug)]
pub(crate) struct Upstream {
    control: Control,
    ready: bool,
}

/// The other end of a [`Upstream`] and its clones: steers them, and counts what there is of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Control(Arc<Mutex<Script>>);

#[derive(Debug, Default)]
struct Script {
    readiness: Readiness,
    fate: Fate,
    calls: usize,
    instances: usize,
    futures: usize,
    wakers: Vec<Waker>,
}

impl Control {
    pub(crate) fn upstream(&self) -> Upstream {
        self.script().instances += 1;
        Upstream { control: self.clone(), ready: false }
    }

    pub(crate) fn set_readiness(&self, readiness: Readiness) {
        self.change(|script| script.readiness = readiness);
    }

    pub(crate) fn set_fate(&self, fate: Fate) {
        self.change(|script| script.fate = fate);
    }

    /// How often it was called.
    pub(crate) fn calls(&self) -> usize {
        self.script().calls
    }

    /// Counts calls from here on.
    pub(crate) fn forget_calls(&self) {
        self.script().calls = 0;
    }

    /// How many instances there are now.
    pub(crate) fn instances(&self) -> usize {
        self.script().instances
    }

    /// How many of its futures there are now.
    pub(crate) fn futures(&self) -> usize {
        self.script().futures
    }

    /// Whoever waits is woken, and looks again.
    fn change(&self, change: impl FnOnce(&mut Script)) {
        let mut script = self.script();
        change(&mut script);
        let wakers = std::mem::take(&mut script.wakers);
        drop(script);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        // A fate that panics does so without the lock.
        self.0.lock().expect("nobody panics with the lock held")
    }
}

/// The clone has not been polled ready, whatever the original has.
impl Clone for Upstream {
    fn clone(&self) -> Self {
        self.control.upstream()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.control.script().instances -= 1;
    }
}

impl Service<Request> for Upstream {
    type Response = &'static str;
    type Error = Error<&'static str>;
    type Future = UpstreamFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let mut script = self.control.script();
        match script.readiness {
            Readiness::Ready => {
                self.ready = true;
                Poll::Ready(Ok(()))
            }
            Readiness::Pending => {
                script.wakers.push(cx.waker().clone());
                Poll::Pending
            }
            Readiness::Fails => Poll::Ready(Err(Error::Service("not ready"))),
        }
    }

    fn call(&mut self, request: Request) -> UpstreamFuture {
        assert!(std::mem::take(&mut self.ready), "called on an instance that was not polled ready");
        let mut script = self.control.script();
        script.calls += 1;
        if matches!(script.fate, Fate::PanicsWhenCalled) {
            drop(script);
            panic!("the upstream panics when called");
        }
        script.futures += 1;
        drop(script);
        UpstreamFuture { control: self.control.clone(), _request: request, finished: false }
    }
}

/// The response of a [`Upstream`].
#[derive(Debug)]
pub(crate) struct UpstreamFuture {
    control: Control,
    _request: Request,
    finished: bool,
}

impl Future for UpstreamFuture {
    type Output = Reply;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        assert!(!self.finished, "polled after it was ready");
        let mut script = self.control.script();
        let response = match script.fate {
            Fate::Responds => Ok("response"),
            Fate::Fails => Err(Error::Service("failure")),
            Fate::Pends => {
                script.wakers.push(cx.waker().clone());
                return Poll::Pending;
            }
            Fate::PanicsWhenCalled | Fate::PanicsWhenPolled => {
                drop(script);
                panic!("the upstream panics when polled");
            }
        };
        drop(script);
        self.finished = true;
        Poll::Ready(response)
    }
}

impl Drop for UpstreamFuture {
    fn drop(&mut self) {
        self.control.script().futures -= 1;
    }
}
