//! Hands a letter to the sink, and tells if it is lost.

use std::borrow::Cow;
use std::sync::Arc;

use super::letter::DeadLetter;
use super::shared::Shared;
use super::sink::Sink;
use crate::boxed::Boxed;
use crate::caught::Caught;
use crate::deadline::{end_of, within};
use crate::error::chain;
use crate::rules::Effect;

/// A letter on its way to the sink. Dropped on the way, it is lost.
pub(super) struct Parcel<Request, R, K> {
    shared: Arc<Shared<R, K>>,
    effect: Effect,
    error_type: Cow<'static, str>,
    /// Gone once the sink has it.
    pub(super) letter: Option<DeadLetter<Request>>,
    is_over: bool,
}

impl<Request, R, K> Parcel<Request, R, K> {
    pub(super) fn new(shared: Arc<Shared<R, K>>, effect: Effect, error_type: Cow<'static, str>) -> Self {
        Self { shared, effect, error_type, letter: None, is_over: false }
    }

    fn kept(&mut self) {
        self.is_over = true;
        self.shared.counts.count_kept();
        tracing::debug!(error_type = &*self.error_type, effect = name(self.effect), "dead letter kept");
    }

    pub(super) fn lose(&mut self, reason: &'static str, detail: Option<&str>) {
        self.is_over = true;
        self.shared.counts.count_lost();
        let effect = name(self.effect);
        tracing::error!(error_type = &*self.error_type, effect, reason, detail, "dead letter lost");
    }
}

impl<Request, R, K> Drop for Parcel<Request, R, K> {
    fn drop(&mut self) {
        if !self.is_over {
            self.lose("dropped", None);
        }
    }
}

const fn name(effect: Effect) -> &'static str {
    match effect {
        Effect::NotApplied => "not_applied",
        Effect::Unknown => "unknown",
    }
}

#[cold]
pub(super) fn keep<Request, R, K>(mut parcel: Parcel<Request, R, K>) -> Boxed<()>
where
    R: Send + Sync + 'static,
    K: Sink<Request> + Send + Sync + 'static,
    Request: Send + 'static,
{
    Boxed::new(async move {
        let shared = Arc::clone(&parcel.shared);
        let letter = parcel.letter.take().expect("it is handed over once");
        let putting = Caught::new(async { shared.sink.put(letter).await });
        match within(end_of(shared.timeout), putting).await {
            Some(Ok(Ok(()))) => parcel.kept(),
            Some(Ok(Err(error))) => parcel.lose("failed", Some(&chain(&*error))),
            Some(Err(panic)) => parcel.lose("panicked", Some(&panic)),
            None => parcel.lose("timed_out", None),
        }
    })
}
