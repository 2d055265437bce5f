use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use super::layer::Stack;
use crate::error::Error;
use crate::rules::{Classify, Discard, Replay};

/// A closure as a service without requests. It is borrowed, so that what it makes may borrow too.
struct Call<'a, F>(&'a F);

impl<F> Clone for Call<'_, F> {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl<F, Fut, T, E> Service<()> for Call<'_, F>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Response = T;
    type Error = E;
    type Future = Fut;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Fut {
        (self.0)()
    }
}

impl<R> Stack<R> {
    /// Runs what is no service. `make` makes the future of each attempt; it may borrow.
    ///
    /// The rules see no request: `ErrorsOnly.idempotent(|_: &()| true)` says that every call may be repeated.
    ///
    /// # Errors
    ///
    /// The closure's own error, or the [`Rejection`](crate::Rejection) of a layer.
    ///
    /// # Panics
    ///
    /// If the first attempt is not ready at once and there is no tokio runtime with its timer enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it drops the attempt that is under way and gives everything back. Attempts that were
    /// made may have taken effect.
    pub async fn call<F, Fut, T, E>(&self, make: F) -> Result<T, Error<E>>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        R: Classify<T, Error<E>> + Replay<()> + Discard<T>,
    {
        self.layer(Call(&make)).run(()).await
    }
}
