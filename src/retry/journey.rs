//! What is known of a request beyond its first attempt. Apart, so that all others do without.

use std::pin::Pin;

use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tracing::Span;

use super::progress::Progress;
use super::span;
use crate::rules::Discarding;

pin_project! {
    /// There is none for a request that needs one attempt and that nobody traces.
    #[project = JourneyProj]
    pub(super) struct Journey<S, E> {
        // Of the attempt that is under way.
        pub(super) span: Span,
        // There is one once a further attempt is to be made.
        pub(super) service: Option<S>,
        pub(super) progress: Progress<E>,
        // Discards the response that will be retried, while the pause passes.
        pub(super) discarding: Option<Discarding>,
        #[pin]
        pub(super) pause: Option<Sleep>,
    }
}

impl<S, E> Journey<S, E> {
    /// Of a first attempt, if somebody traces it.
    #[cold]
    #[inline(never)]
    pub(super) fn traced() -> Option<Pin<Box<Self>>> {
        let span = span::first_attempt();
        (!span.is_disabled()).then(|| Self::new(span))
    }

    #[cold]
    pub(super) fn new(span: Span) -> Pin<Box<Self>> {
        Box::pin(Self { span, service: None, progress: Progress::new(), discarding: None, pause: None })
    }
}
