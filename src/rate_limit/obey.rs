use std::sync::Arc;
use std::time::Duration;

use super::limit::RateLimit;

/// The limit that an upstream announces. The default says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct UpstreamLimit {
    /// How long it wants no request at all.
    pub pause: Option<Duration>,
    /// How many more requests it takes for now.
    pub remaining: Option<u32>,
}

impl UpstreamLimit {
    /// It wants no request for this time.
    #[must_use]
    pub const fn with_pause(self, pause: Duration) -> Self {
        Self { pause: Some(pause), ..self }
    }

    /// It takes no more than `remaining` requests for now.
    #[must_use]
    pub const fn with_remaining(self, remaining: u32) -> Self {
        Self { remaining: Some(remaining), ..self }
    }
}

/// Rules that know what an upstream says of its own limit. `Http` (feature `http`) reads it from headers.
///
/// ```
/// use std::time::Duration;
/// use windbreak::rate_limit::{Obey, UpstreamLimit};
///
/// /// A response of the ledger, which says when it is busy.
/// struct Reply {
///     busy_for: Option<Duration>,
/// }
///
/// #[derive(Clone)]
/// struct Ledger;
///
/// impl<E> Obey<Reply, E> for Ledger {
///     fn upstream_limit(&self, result: Result<&Reply, &E>) -> UpstreamLimit {
///         let busy_for = result.ok().and_then(|reply| reply.busy_for);
///         busy_for.map_or_else(UpstreamLimit::default, |pause| {
///             UpstreamLimit::default().with_pause(pause)
///         })
///     }
/// }
/// # let layer = windbreak::RateLimitLayer::new(windbreak::rate_limit::Rate::per_second(1).burst(1).unwrap()).obey(Ledger);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot read limits from `Result<{T}, {E}>`",
    note = "for HTTP, enable the feature `http` (and `reqwest` for its types) and use `Http`"
)]
pub trait Obey<T, E> {
    /// What `result` says of the upstream's limit.
    fn upstream_limit(&self, result: Result<&T, &E>) -> UpstreamLimit;
}

impl<O, T, E> Obey<T, E> for Arc<O>
where
    O: Obey<T, E> + ?Sized,
{
    fn upstream_limit(&self, result: Result<&T, &E>) -> UpstreamLimit {
        (**self).upstream_limit(result)
    }
}

/// Takes no notice of what the upstream says: the default of [`RateLimitLayer`](super::RateLimitLayer).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ObeyNothing;

/// Obeys what `rules` read from the results. Made by `obey` of the layer.
#[derive(Debug, Clone)]
pub struct Obeying<O> {
    pub(super) rules: O,
    pub(super) max_pause: Duration,
}

/// Makes what observes one result.
pub trait Observe: Sealed {
    /// It is part of the response future.
    type Observer;

    /// For a request that `limit` has let pass.
    fn observer(&self, limit: &RateLimit) -> Self::Observer;
}

/// Observes one result.
pub trait Observer<T, E>: Sealed {
    /// The result has come.
    fn observe(&self, result: Result<&T, &E>);
}

/// Changes a limit as the upstream says.
#[derive(Debug)]
pub struct LimitObserver<O> {
    obeying: Obeying<O>,
    limit: RateLimit,
}

impl Observe for ObeyNothing {
    type Observer = Self;

    #[inline]
    fn observer(&self, _: &RateLimit) -> Self {
        Self
    }
}

impl<T, E> Observer<T, E> for ObeyNothing {
    #[inline]
    fn observe(&self, _: Result<&T, &E>) {}
}

impl<O: Clone> Observe for Obeying<O> {
    type Observer = LimitObserver<O>;

    fn observer(&self, limit: &RateLimit) -> LimitObserver<O> {
        LimitObserver { obeying: self.clone(), limit: limit.clone() }
    }
}

impl<O, T, E> Observer<T, E> for LimitObserver<O>
where
    O: Obey<T, E>,
{
    fn observe(&self, result: Result<&T, &E>) {
        let UpstreamLimit { pause, remaining } = self.obeying.rules.upstream_limit(result);
        if let Some(remaining) = remaining {
            self.limit.lower_to(remaining);
        }
        if let Some(pause) = pause {
            self.limit.pause_for(pause.min(self.obeying.max_pause));
        }
    }
}

/// Only this crate implements it.
pub trait Sealed {}

impl Sealed for ObeyNothing {}
impl<O> Sealed for Obeying<O> {}
impl<O> Sealed for LimitObserver<O> {}
