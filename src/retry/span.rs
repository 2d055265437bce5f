use tracing::Span;
use tracing::field::Empty;

/// The span of one attempt. Free where nobody listens.
#[inline]
pub(super) fn attempt_span(resends: u32) -> Span {
    tracing::info_span!("attempt", http.request.resend_count = resends, error.type = Empty)
}
