use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_service::Service;

use super::semaphore::{Permit, Waiting};
use crate::deadline::{Timer, deadline_in, report_wait};
use crate::error::{Rejectable, Rejection};

pin_project! {
    /// A request that is not admitted yet.
    pub(super) struct Queued<S, R> {
        #[pin]
        wait: Wait,
        // The permit, once there is one. Dropped after the service, whose readiness it bounds.
        service: S,
        request: Option<R>,
        permit: Option<Permit>,
    }
}

pin_project! {
    /// The wait for a permit.
    #[project = WaitProj]
    enum Wait {
        Waits {
            waiting: Waiting,
            #[pin]
            timer: Timer,
            // When `max_wait` ends, until the first poll.
            max_end: Option<Option<Instant>>,
            queued: QueuedSince,
        },
        Over,
    }
}

/// The inner future, and the permit that it holds.
type Called<F> = (F, Permit);

/// Says how long the request queued, however that ends.
struct QueuedSince(Instant);

impl Drop for QueuedSince {
    fn drop(&mut self) {
        report_wait(self.0.elapsed());
    }
}

impl<S, R> Queued<S, R> {
    /// Waits from `since` until `end`, which the deadline seen in the call may have brought before `max_end`.
    pub(super) fn waiting(
        waiting: Waiting,
        since: Instant,
        [end, max_end]: [Option<Instant>; 2],
        service: S,
        request: R,
    ) -> Self {
        let max_end = Some(max_end);
        let wait = Wait::Waits { waiting, timer: Timer::new(end), max_end, queued: QueuedSince(since) };
        Self { wait, service, request: Some(request), permit: None }
    }

    /// Has its permit, and waits for `service` to become ready.
    pub(super) const fn holding(permit: Permit, service: S, request: R) -> Self {
        Self { wait: Wait::Over, service, request: Some(request), permit: Some(permit) }
    }

    /// Waits for a permit, and then until the service is ready; then calls it.
    pub(super) fn poll_call(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Called<S::Future>, S::Error>>
    where
        S: Service<R>,
        S::Error: Rejectable,
    {
        let mut this = self.project();
        if let WaitProj::Waits { waiting, mut timer, max_end, queued } = this.wait.as_mut().project() {
            if let Some(max_end) = max_end.take() {
                end_with_own_deadline(waiting, timer.as_mut(), max_end, cx);
            }
            *this.permit = Some(ready!(poll_permit(waiting, timer, queued, cx))?);
            // The queue is left, and told of, in the poll in which the request is admitted.
            this.wait.set(Wait::Over);
        }
        ready!(this.service.poll_ready(cx))?;
        let request = this.request.take().expect("called once");
        let inner = this.service.call(request);
        Poll::Ready(Ok((inner, this.permit.take().expect("held until the call"))))
    }
}

/// In the call, the deadline of a stranger cannot be told from that of the request; in a poll it can.
fn end_with_own_deadline(
    waiting: &mut Waiting,
    mut timer: Pin<&mut Timer>,
    max_end: Option<Instant>,
    cx: &Context<'_>,
) {
    let end = max_end.into_iter().chain(deadline_in(cx)).min();
    if end != timer.as_ref().deadline() && waiting.wait_until(end) {
        timer.set(Timer::new(end));
    }
}

fn poll_permit(
    waiting: &mut Waiting,
    mut timer: Pin<&mut Timer>,
    queued: &QueuedSince,
    cx: &mut Context<'_>,
) -> Poll<Result<Permit, Rejection>> {
    let had_budget = timer.as_ref().has_budget();
    let end = waiting.end();
    loop {
        match waiting.poll_permit(cx) {
            Poll::Ready(Some(permit)) => return Poll::Ready(Ok(permit)),
            // Its wait had ended before anybody polled it again, and its turn went to others.
            Poll::Ready(None) => break,
            Poll::Pending => {}
        }
        let next = end.into_iter().chain(waiting.next_look()).min();
        if next != timer.as_ref().deadline() {
            timer.set(Timer::new(next));
        }
        ready!(timer.as_mut().poll_elapsed(cx, had_budget));
        if next == end {
            break;
        }
        waiting.hand_out();
    }
    let max_wait = end.map_or(Duration::MAX, |end| end.saturating_duration_since(queued.0));
    Poll::Ready(Err(Rejection::bulkhead_timeout(waiting.limit(), max_wait)))
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};

    use tokio_test::{assert_pending, task};
    use tower::{Layer as _, Service as _, ServiceExt as _, service_fn};

    use crate::bulkhead::{BulkheadLayer, QueueingBulkhead};
    use crate::deadline::measure_waits;
    use crate::error::Error;

    type Client = tower::util::ServiceFn<fn(()) -> Ready<Result<(), Error<()>>>>;

    const WAIT: std::time::Duration = std::time::Duration::from_millis(70);

    fn client() -> QueueingBulkhead<Client> {
        BulkheadLayer::new(1).unwrap().max_wait(2 * WAIT).layer(service_fn(|()| ready(Ok(()))))
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_reported_in_the_poll_that_admits_the_request() {
        let mut client = client();
        let in_flight = client.ready().await.unwrap().call(());
        let mut queued = task::spawn(client.call(()));
        let ((), waited) = measure_waits(|| assert_pending!(queued.poll()));
        assert!(waited.is_zero());
        tokio::time::advance(WAIT).await;
        drop(in_flight);
        let (result, waited) = measure_waits(|| queued.poll());
        assert!(result.is_ready());
        assert_eq!(waited, WAIT);
        let ((), waited) = measure_waits(|| drop(queued));
        assert!(waited.is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_reported_when_it_is_cancelled_polled_or_not() {
        for is_polled in [false, true] {
            let mut client = client();
            let _in_flight = client.ready().await.unwrap().call(());
            let mut queued = task::spawn(client.call(()));
            if is_polled {
                assert_pending!(queued.poll());
            }
            tokio::time::advance(WAIT).await;
            let ((), waited) = measure_waits(|| drop(queued));
            assert_eq!(waited, WAIT);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_reported_when_it_ends_in_a_rejection() {
        let mut client = client();
        let _in_flight = client.ready().await.unwrap().call(());
        let mut queued = task::spawn(client.call(()));
        tokio::time::advance(3 * WAIT).await;
        let (result, waited) = measure_waits(|| queued.poll());
        assert!(result.is_ready());
        assert_eq!(waited, 3 * WAIT);
    }
}
