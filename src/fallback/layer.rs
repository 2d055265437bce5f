use std::sync::Arc;

use tower_layer::Layer;

use super::Fallback;
use super::handler::{AsyncFunction, Function, OtherService, Value};
use crate::classify::{CloneRequest, DefaultClassifier};

/// Answers instead, when nothing else could.
///
/// By default it steps in for every error. With a classifier (see [`classify`](Self::classify)) it steps in for
/// whatever that calls a failure or ignores; [`when`](Self::when) narrows it further.
#[derive(Debug)]
pub struct FallbackLayer<H, C = DefaultClassifier, W = Always> {
    pub(super) handler: Arc<H>,
    pub(super) classifier: C,
    pub(super) when: W,
}

/// Decides whether a result that was not good enough is replaced.
///
/// Implemented by every `Fn(Result<&T, &E>) -> bool`.
pub trait When<T, E> {
    /// Whether to answer instead of `result`.
    fn applies(&self, result: Result<&T, &E>) -> bool;
}

/// Replaces every result that was not good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Always;

impl<T, E> When<T, E> for Always {
    #[inline]
    fn applies(&self, _: Result<&T, &E>) -> bool {
        true
    }
}

impl<T, E, F> When<T, E> for F
where
    F: Fn(Result<&T, &E>) -> bool,
{
    #[inline]
    fn applies(&self, result: Result<&T, &E>) -> bool {
        self(result)
    }
}

impl<T> FallbackLayer<Value<T>> {
    /// Answers with a clone of `value`.
    #[must_use]
    pub fn value(value: T) -> Self {
        Self::new(Value(value))
    }
}

impl<F> FallbackLayer<Function<F>> {
    /// Answers with what `function` makes of the result: usually an error, but an `Ok` where the classifier calls a
    /// response a failure. The function may return an error too.
    #[must_use]
    pub fn function<T, E>(function: F) -> Self
    where
        F: Fn(Result<T, E>) -> Result<T, E>,
    {
        Self::new(Function(function))
    }
}

impl<F> FallbackLayer<AsyncFunction<F>> {
    /// Like [`function`](FallbackLayer::function), for a function that has to wait.
    #[must_use]
    pub fn async_function<T, E, Fut>(function: F) -> Self
    where
        F: Fn(Result<T, E>) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        Self::new(AsyncFunction(function))
    }
}

impl<S> FallbackLayer<OtherService<S>> {
    /// Answers with what another service says to a copy of the request.
    #[must_use]
    pub fn service(service: S) -> Self {
        Self::service_with(service, CloneRequest)
    }
}

impl<S, P> FallbackLayer<OtherService<S, P>> {
    /// Like [`service`](FallbackLayer::service), for requests that are copied by `replay`. Where there can be no
    /// copy, the first result stands.
    #[must_use]
    pub fn service_with(service: S, replay: P) -> Self {
        Self::new(OtherService { service, replay })
    }
}

impl<H> FallbackLayer<H> {
    /// Answers with a [`Handler`](super::Handler) of your own.
    #[must_use]
    pub fn new(handler: H) -> Self {
        Self { handler: Arc::new(handler), classifier: DefaultClassifier, when: Always }
    }
}

impl<H, C, W> FallbackLayer<H, C, W> {
    /// Steps in for what `classifier` calls a failure or ignores.
    #[must_use]
    pub fn classify<D>(self, classifier: D) -> FallbackLayer<H, D, W> {
        FallbackLayer { handler: self.handler, classifier, when: self.when }
    }

    /// Of these, steps in only for those of which `when` is true.
    #[must_use]
    pub fn when<V>(self, when: V) -> FallbackLayer<H, C, V> {
        FallbackLayer { handler: self.handler, classifier: self.classifier, when }
    }
}

impl<H, C: Clone, W: Clone> Clone for FallbackLayer<H, C, W> {
    fn clone(&self) -> Self {
        Self { handler: Arc::clone(&self.handler), classifier: self.classifier.clone(), when: self.when.clone() }
    }
}

impl<S, H, C: Clone, W: Clone> Layer<S> for FallbackLayer<H, C, W> {
    type Service = Fallback<S, H, C, W>;

    fn layer(&self, inner: S) -> Self::Service {
        Fallback::new(inner, Arc::new(self.clone()))
    }
}
