//! What a retry tells a subscriber. Documented in the module's docs.

use std::borrow::Cow;

use tracing::field::Empty;
use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};
use tracing::{Level, Span, debug, debug_span, info_span};

use crate::budget::RetryBudget;
use crate::error::Rejection;

/// Whether anybody may listen to the span of a first attempt: no span is made to find out.
#[inline]
pub(super) fn may_trace_first_attempt() -> bool {
    Level::DEBUG <= STATIC_MAX_LEVEL && Level::DEBUG <= LevelFilter::current()
}

/// The span of the first attempt.
pub(super) fn first_attempt() -> Span {
    debug_span!("attempt", http.request.resend_count = 0_u32, error.type = Empty)
}

/// The span of a further attempt.
pub(super) fn further_attempt(resends: u32) -> Span {
    info_span!("attempt", http.request.resend_count = resends, error.type = Empty)
}

/// Neither is asked where nobody listens.
pub(super) fn budget_refused(reason: impl Fn() -> Cow<'static, str>, budget: &RetryBudget) {
    debug!(error.type = &*reason(), refused = budget.refused(), "retry budget is exhausted");
}

pub(super) fn waits_for(rejection: &Rejection, attempts: u32) {
    debug!(error.type = rejection.as_str(), attempts, "further attempt was rejected, waits");
}

pub(super) fn stopped_by(rejection: &Rejection, attempts: u32) {
    debug!(error.type = rejection.as_str(), attempts, "further attempt was rejected, stops");
}
