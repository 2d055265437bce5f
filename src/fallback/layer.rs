use std::sync::Arc;

use tower_layer::Layer;

use super::handler::{AsyncFunction, Function, OtherService, Value, When};
use super::service::Fallback;
use super::shared::Shared;

/// Returns a substitute response when everything below it failed.
///
/// It steps in for whatever its rules call a failure, throttled or ignored; [`when`](Self::when) narrows that. `H` is where
/// the substitute comes from, as the constructor says.
#[derive(Debug)]
pub struct FallbackLayer<R, H> {
    shared: Arc<Shared<R, H>>,
}

impl<R, T> FallbackLayer<R, Value<T>> {
    /// Returns a clone of `value`.
    #[must_use]
    pub fn value(value: T, rules: R) -> Self {
        Self::new(rules, Value(value))
    }
}

impl<R, F> FallbackLayer<R, Function<F>> {
    /// Returns what `function` makes of the result. The result is usually an error; it is an `Ok` if the rules call a
    /// response a failure. The function may return an error too.
    #[must_use]
    pub fn function<T, E>(function: F, rules: R) -> Self
    where
        F: Fn(Result<T, E>) -> Result<T, E>,
    {
        Self::new(rules, Function(function))
    }
}

impl<R, F> FallbackLayer<R, AsyncFunction<F>> {
    /// Like [`function`](FallbackLayer::function), for a function that has to wait.
    #[must_use]
    pub fn async_function<T, E, Fut>(function: F, rules: R) -> Self
    where
        F: Fn(Result<T, E>) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        Self::new(rules, AsyncFunction(function))
    }
}

impl<R, S> FallbackLayer<R, OtherService<S>> {
    /// Sends a copy of the request to another service, where that is harmless: if the request is
    /// [`Safe`](crate::rules::Idempotency::Safe), or if the first service certainly did not act on it, because it said so
    /// or because a layer rejected the request before it was sent.
    ///
    /// Otherwise the first result is returned: an idempotency key, or an idempotent method, holds at one service only. It is
    /// also returned if the rules cannot copy the request, and in a further attempt, by a retry above, after one that may
    /// have taken effect.
    #[must_use]
    pub fn service(service: S, rules: R) -> Self {
        Self::new(rules, OtherService(service))
    }
}

impl<R, H> FallbackLayer<R, H> {
    fn new(rules: R, handler: H) -> Self {
        Self { shared: Arc::new(Shared { rules, handler }) }
    }
}

impl<R: Clone, H: Clone> FallbackLayer<R, H> {
    /// Steps in only for results for which `predicate` is true as well.
    #[must_use]
    pub fn when<T, E, F>(self, predicate: F) -> FallbackLayer<R, When<H, F>>
    where
        F: Fn(Result<&T, &E>) -> bool,
    {
        let Shared { rules, handler } = Arc::try_unwrap(self.shared)
            .unwrap_or_else(|shared| Shared { rules: shared.rules.clone(), handler: shared.handler.clone() });
        FallbackLayer::new(rules, When { handler, predicate })
    }
}

impl<R, H> Clone for FallbackLayer<R, H> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<S, R, H> Layer<S> for FallbackLayer<R, H> {
    type Service = Fallback<S, R, H>;

    fn layer(&self, inner: S) -> Self::Service {
        Fallback::new(inner, Arc::clone(&self.shared))
    }
}
