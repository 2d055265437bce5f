use std::pin::Pin;
use std::task::{Context, Poll};

use tower::Service;
use windbreak::Error;

use super::charge::{Answer, Charge, PayError};
use crate::domain::{News, Provider};
use crate::storage::{Journal, Storage};

/// Writes down that an order is about to be sent to a provider, before it is. Outermost in that provider's stack.
#[derive(Debug, Clone)]
pub(super) struct Sending<C, S> {
    pub(super) inner: C,
    pub(super) to: Provider,
    pub(super) journal: Journal<S>,
}

impl<C, S> Service<Charge> for Sending<C, S>
where
    C: Service<Charge, Response = Answer, Error = Error<PayError>> + Clone + Send + 'static,
    C::Future: Send,
    S: Storage,
{
    type Response = Answer;
    type Error = Error<PayError>;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Error<PayError>>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, charge: Charge) -> Self::Future {
        let spare = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, spare);
        let (journal, to) = (self.journal.clone(), self.to);
        Box::pin(async move {
            match journal.tell(&charge.key, &News::Sending(to), "service").await {
                Ok(told) if told.stands() => inner.call(charge).await,
                Ok(_) => Err(Error::Service(PayError::overtaken("overtaken"))),
                // It is not sent: whoever looks for it later could not know where.
                Err(_) => Err(Error::Service(PayError::overtaken("not written down"))),
            }
        })
    }
}
