use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tower_layer::Layer;

use super::service::Verify;
use super::shared::{Config, Shared};
use super::unsettled::Unsettled;
use super::verified::{Failed, Verified};
use crate::boxed::Boxed;
use crate::error::chain;

/// Boxed error, as tower has it.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Finds out whether a failed request took effect.
///
/// | setter | default |
/// |---|---|
/// | [`after`](Self::after) | 500 ms |
/// | [`timeout`](Self::timeout) | 2 s |
/// | [`attempts`](Self::attempts) | 3 |
/// | [`or_void`](Self::or_void) | nothing is voided |
/// | [`on_unsettled`](Self::on_unsettled) | an unsettled request is traced only |
///
/// See [the module](super) for its place in a stack and the rules for the question.
pub struct VerifyLayer<R, Request, T> {
    shared: Arc<Shared<R, Request, T>>,
}

impl<R, Request, T> VerifyLayer<R, Request, T> {
    /// Asks `ask` about each request that is not [`Safe`](crate::rules::Idempotency::Safe) and failed with an unknown effect.
    ///
    /// `ask` gets a copy of the request, made by the `rules`, and what is known of the failure. Ask by an id of your own,
    /// and compare what comes back with the request: whether a response is about this request, the layer cannot know. An
    /// error, a panic or a timeout of it counts as [`Verified::Unknown`].
    #[must_use]
    pub fn new<A, F, Q>(rules: R, ask: A) -> Self
    where
        A: Fn(Request, Failed) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Verified<T>, Q>> + Send + 'static,
        Q: Into<BoxError>,
    {
        let config = Config {
            after: Duration::from_millis(500),
            timeout: Duration::from_secs(2),
            attempts: 3,
            ask: Arc::new(move |request, failed| boxed(ask(request, failed))),
            void: None,
            on_unsettled: None,
        };
        Self { shared: Arc::new(Shared { rules, config }) }
    }
}

impl<R: Clone, Request, T> VerifyLayer<R, Request, T> {
    /// How long to wait after the failure before the first question: the request may still be on its way. Default: 500 ms.
    #[must_use]
    pub fn after(self, after: Duration) -> Self {
        self.with(|config| config.after = after)
    }

    /// How long each question may take, and the void. The deadline of the request bounds both as well. Default: 2 s.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|config| config.timeout = timeout)
    }

    /// How often it asks at most while the upstream is [`InProgress`](Verified::InProgress). Default: 3. With zero it does
    /// not ask, and voids at once: for an upstream that can be told and not asked.
    ///
    /// Between two questions it waits for what the upstream said, at most a minute, plus 200 ms and doubling up to 5 s, with
    /// jitter. A question that fails is not repeated: give the client that asks retries of its own.
    #[must_use]
    pub fn attempts(self, attempts: u32) -> Self {
        self.with(|config| config.attempts = attempts)
    }

    /// Makes sure that the request does not take effect, where the question did not settle it. `Ok` says that it did not
    /// **and will not**, also if it arrives later. If it fails, panics or times out, the request stays unsettled. It is
    /// called once.
    ///
    /// It must undo a request that took effect unseen, and it must not undo what the caller has been told of.
    #[must_use]
    pub fn or_void<V, F, Q>(self, void: V) -> Self
    where
        V: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Q>> + Send + 'static,
        Q: Into<BoxError>,
    {
        self.with(|config| config.void = Some(Arc::new(move |request| boxed(void(request)))))
    }

    /// Called with each request of which it stays unknown whether it took effect: also with one whose future is dropped
    /// before the question has ended.
    ///
    /// It is called from within a poll or a drop, so it must not block; it may send to a channel. A panic in it is caught
    /// and traced as an `ERROR`.
    #[must_use]
    pub fn on_unsettled<U>(self, on_unsettled: U) -> Self
    where
        U: Fn(Unsettled<Request>) + Send + Sync + 'static,
    {
        self.with(|config| config.on_unsettled = Some(Arc::new(on_unsettled)))
    }

    fn with(self, change: impl FnOnce(&mut Config<Request, T>)) -> Self {
        let Shared { rules, mut config } = Arc::try_unwrap(self.shared)
            .unwrap_or_else(|shared| Shared { rules: shared.rules.clone(), config: shared.config.clone() });
        change(&mut config);
        Self { shared: Arc::new(Shared { rules, config }) }
    }
}

fn boxed<O, Q: Into<BoxError>>(
    future: impl Future<Output = Result<O, Q>> + Send + 'static,
) -> Boxed<Result<O, String>> {
    Boxed::new(async move { future.await.map_err(|error| chain(&*error.into())) })
}

impl<R, Request, T> Clone for VerifyLayer<R, Request, T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<S, R, Request, T> Layer<S> for VerifyLayer<R, Request, T> {
    type Service = Verify<S, R, Request, T>;

    fn layer(&self, inner: S) -> Self::Service {
        Verify::new(inner, Arc::clone(&self.shared))
    }
}

impl<R: fmt::Debug, Request, T> fmt::Debug for VerifyLayer<R, Request, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyLayer").field("rules", &self.shared.rules).finish_non_exhaustive()
    }
}
