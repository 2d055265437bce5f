//! What the providers said from which a request moved on, and what the caller hears of it at the end.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::judge::Course;
use super::shared::Shared;
use crate::attempts::Attempts;
use crate::error::{Rejectable, Rejection};
use crate::provider::{Provider, Said};
use crate::rules::{Classify, Discard};

pub(super) struct Past<T, E> {
    said: Vec<(usize, Cow<'static, str>)>,
    /// The last failure of a request that was sent, and whose it was: a later rejection does not hide it.
    failure: Option<(usize, Result<T, E>)>,
    /// The earliest moment at which one that rejected the request may admit it.
    retry_after: Option<Duration>,
    /// Whether all that would not have the request rejected it, and none was broken.
    all_rejected: bool,
    /// How many providers were sent the request.
    sent: u32,
}

impl<T, E: Rejectable> Past<T, E> {
    /// The request goes from `provider` to `next`.
    pub(super) fn move_on<R, Request>(
        &mut self,
        shared: &Shared<R, Request, T, E>,
        provider: usize,
        next: usize,
        result: Result<T, E>,
        course: Course,
    ) where
        R: Classify<T, E>,
    {
        let said = shared.rules.error_type(result.as_ref());
        let switches = &shared.switches;
        let (from, to) = (&*switches.providers[provider], &*switches.providers[next]);
        tracing::debug!(failover = &*switches.name, from, to, error_type = &*said, "failover moved on");
        switches.count_move(provider);
        self.said.push((provider, said));
        match course {
            Course::NotSent => self.note_rejection(result.as_ref().err()),
            Course::Stay | Course::Failed => {
                self.sent += 1;
                self.failure = Some((provider, result));
            }
        }
    }

    /// There is no further provider for this request. `all_asked` says that this is because all have been asked.
    pub(super) fn end<R, Request>(
        &mut self,
        shared: &Shared<R, Request, T, E>,
        provider: usize,
        result: Result<T, E>,
        course: Course,
        all_asked: bool,
    ) -> Result<T, E>
    where
        R: Classify<T, E> + Discard<T>,
    {
        if course != Course::NotSent {
            return self.stay(shared, provider, result);
        }
        self.note_rejection(result.as_ref().err());
        if let Some((provider_before, failure)) = self.failure.take() {
            self.said.push((provider, shared.rules.error_type(result.as_ref())));
            return self.finish(shared, provider_before, failure);
        }
        if all_asked && self.all_rejected {
            let said = shared.rules.error_type(result.as_ref());
            self.said.push((provider, said));
            let rejection = Rejection::all_unavailable(Arc::clone(&shared.switches.name), self.retry_after);
            return Err(self.tell(shared, rejection.into()));
        }
        self.finish(shared, provider, result)
    }

    /// `provider` was sent the request, and its result stands.
    pub(super) fn stay<R, Request>(
        &mut self,
        shared: &Shared<R, Request, T, E>,
        provider: usize,
        result: Result<T, E>,
    ) -> Result<T, E>
    where
        R: Classify<T, E> + Discard<T>,
    {
        self.sent += 1;
        self.finish(shared, provider, result)
    }

    /// The result is that of `provider`.
    fn finish<R, Request>(
        &mut self,
        shared: &Shared<R, Request, T, E>,
        provider: usize,
        result: Result<T, E>,
    ) -> Result<T, E>
    where
        R: Classify<T, E> + Discard<T>,
    {
        match result {
            Ok(mut response) => {
                self.said.retain(|(other, _)| *other != provider);
                let name = Arc::clone(&shared.switches.providers[provider]);
                shared.rules.mark_provider(&mut response, &Provider::new(name, self.said(shared)));
                Ok(response)
            }
            Err(error) => {
                if self.said.iter().all(|(other, _)| *other != provider) {
                    let said = shared.rules.error_type(Err(&error));
                    self.said.push((provider, said));
                }
                Err(self.tell(shared, error))
            }
        }
    }

    fn tell<R, Request>(&mut self, shared: &Shared<R, Request, T, E>, error: E) -> E {
        let said = self.said(shared);
        error.with_attempts(Attempts::at(said, self.sent))
    }

    fn said<R, Request>(&mut self, shared: &Shared<R, Request, T, E>) -> Vec<Said> {
        let names = &shared.switches.providers;
        std::mem::take(&mut self.said)
            .into_iter()
            .map(|(provider, said)| (Arc::clone(&names[provider]), said))
            .collect()
    }

    fn note_rejection(&mut self, error: Option<&E>) {
        match error.and_then(Rejectable::own_rejection) {
            Some(rejection) => {
                let both = self.retry_after.into_iter().chain(rejection.retry_after());
                self.retry_after = both.min();
            }
            None => self.all_rejected = false,
        }
    }
}

impl<T, E> Past<T, E> {
    pub(super) const fn new() -> Self {
        Self { said: Vec::new(), failure: None, retry_after: None, all_rejected: true, sent: 0 }
    }
}
