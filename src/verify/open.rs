//! A request that is not settled yet, and what becomes of it if it never is.

use std::sync::Arc;

use super::shared::Shared;
use super::unsettled::{Reason, Unsettled};
use crate::caught::catch;
use crate::rules::{Classify, Replay};

/// Dropped without a word, it tells that the request stays unsettled.
pub(super) struct Open<R, Request, T> {
    shared: Arc<Shared<R, Request, T>>,
    request: Option<Request>,
    error_type: Arc<str>,
    /// Why the last question did not settle it.
    pub(super) reason: Reason,
    pub(super) void_error: Option<String>,
    is_over: bool,
}

impl<R, Request, T> Open<R, Request, T> {
    pub(super) fn new<E>(shared: Arc<Shared<R, Request, T>>, request: Option<Request>, result: Result<&T, &E>) -> Self
    where
        R: Classify<T, E>,
    {
        let error_type = shared.rules.error_type(result).into();
        Self { shared, request, error_type, reason: Reason::Unknown, void_error: None, is_over: false }
    }

    pub(super) fn shared(&self) -> &Shared<R, Request, T> {
        &self.shared
    }

    pub(super) fn error_type(&self) -> Arc<str> {
        Arc::clone(&self.error_type)
    }

    pub(super) const fn has_copy(&self) -> bool {
        self.request.is_some()
    }

    /// A copy for a question or a void.
    pub(super) fn copy(&self) -> Option<Request>
    where
        R: Replay<Request>,
    {
        self.request.as_ref().and_then(|request| self.shared.rules.copy(request))
    }

    pub(super) fn settled(&mut self, outcome: &'static str) {
        self.is_over = true;
        tracing::debug!(error_type = &*self.error_type, outcome, "request settled");
    }

    pub(super) fn unsettled(&mut self) {
        self.is_over = true;
        let reason = self.reason.clone();
        self.tell(reason);
    }

    fn tell(&mut self, reason: Reason) {
        let void_error = self.void_error.take();
        tracing::warn!(
            error_type = &*self.error_type,
            reason = reason.as_str(),
            detail = %reason,
            void_error = void_error.as_deref(),
            "request unsettled"
        );
        let Some(on_unsettled) = &self.shared.config.on_unsettled else { return };
        let error_type = Arc::clone(&self.error_type);
        let unsettled = Unsettled { request: self.request.take(), error_type, reason, void_error };
        if let Err(panic) = catch(|| on_unsettled(unsettled)) {
            tracing::error!(error_type = &*self.error_type, panic, "could not hand over an unsettled request");
        }
    }
}

impl<R, Request, T> Drop for Open<R, Request, T> {
    fn drop(&mut self) {
        if !self.is_over {
            self.tell(Reason::Dropped);
        }
    }
}
