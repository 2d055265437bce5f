//! A retry tells the layers below it that would send a request elsewhere.

use std::cell::Cell;
use std::marker::PhantomData;
use std::task::Context;

use super::scope::WakerId;

thread_local! {
    static REPEATING: Cell<Option<WakerId>> = const { Cell::new(None) };
}

/// Says, until it is dropped, that a further attempt is made of a request of which an earlier one may have taken effect, and
/// that is not safe: a key that protects it at one provider means nothing at another.
#[must_use]
pub(crate) struct Repeating {
    outer: Option<WakerId>,
    /// Its place is the thread.
    _not_send: PhantomData<*const ()>,
}

impl Repeating {
    /// Around a call or a poll by whoever is polled with `cx`.
    pub(crate) fn of(cx: &Context<'_>) -> Self {
        Self { outer: REPEATING.replace(Some(WakerId::of(cx.waker()))), _not_send: PhantomData }
    }
}

impl Drop for Repeating {
    fn drop(&mut self) {
        REPEATING.set(self.outer);
    }
}

/// Whether a call may belong to such an attempt. It may also be a stranger's: only a poll can tell.
#[inline]
pub(crate) fn may_be_repeating() -> bool {
    REPEATING.get().is_some()
}

/// Whether what is polled with `cx` belongs to such an attempt.
pub(crate) fn is_repeating(cx: &Context<'_>) -> bool {
    REPEATING.get().is_some_and(|waker| waker == WakerId::of(cx.waker()))
}
