use std::sync::Arc;

/// How harmful it is to send a request again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Idempotency {
    /// It changes nothing, as a read does. It may be repeated anywhere.
    Safe,
    /// Sent twice to one upstream, it has the same effect as sent once.
    Idempotent,
    /// It carries a key by which one upstream recognises a repeat. Another upstream does not know the key.
    Keyed,
    /// Sent twice, it may take effect twice.
    NotIdempotent,
}

impl Idempotency {
    /// Whether the same upstream may be sent the request again, whatever became of it.
    #[must_use]
    pub const fn is_repeatable(self) -> bool {
        !matches!(self, Self::NotIdempotent)
    }
}

impl From<bool> for Idempotency {
    /// `true` is [`Idempotent`](Self::Idempotent), `false` is [`NotIdempotent`](Self::NotIdempotent).
    fn from(idempotent: bool) -> Self {
        if idempotent { Self::Idempotent } else { Self::NotIdempotent }
    }
}

/// Knows how harmful it is to send a request again.
///
/// Every value of rules implements it. `.idempotent(|request| ..)` on [`ErrorsOnly`](super::ErrorsOnly),
/// [`RulesFn`](super::RulesFn) and `HttpRules` sets it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not know whether a `{R}` may be sent again",
    label = "these rules do not know this request",
    note = "for HTTP, use `Http` with `http::Request` or, with the feature `reqwest`, `reqwest::Request`"
)]
pub trait Repeat<R> {
    /// How harmful it is to send `request` again.
    fn idempotency(&self, request: &R) -> Idempotency;

    /// Writes into a copy that is about to be sent how often the request was sent before. The default does nothing.
    fn number(&self, _request: &mut R, _resends: u32) {}
}

/// Makes the copy of a request that a further attempt sends.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot copy a `{R}` for a further attempt",
    label = "no further attempt can be made of this request",
    note = "make the request `Clone`, or say how it is copied: `rules.copy_with(|request| ..)`"
)]
pub trait Replay<R>: Repeat<R> {
    /// A copy of `request` to keep for later; `None` if there can be none, as with a body that streams.
    ///
    /// A request without a copy is sent once.
    fn copy(&self, request: &R) -> Option<R>;
}

impl<C, R> Repeat<R> for Arc<C>
where
    C: Repeat<R> + ?Sized,
{
    #[inline]
    fn idempotency(&self, request: &R) -> Idempotency {
        (**self).idempotency(request)
    }

    fn number(&self, request: &mut R, resends: u32) {
        (**self).number(request, resends);
    }
}

impl<C, R> Replay<R> for Arc<C>
where
    C: Replay<R> + ?Sized,
{
    #[inline]
    fn copy(&self, request: &R) -> Option<R> {
        (**self).copy(request)
    }
}
