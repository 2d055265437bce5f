//! The bulkhead's permits, as a caller meets them: by calling, polling and dropping.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use interleavings::bulkhead::{BulkheadLayer, QueueingBulkhead, QueueingBulkheadLayer};
use interleavings::error::{Error, Rejection};
use interleavings::in_every_order;
use loom::future::block_on;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use tokio_itself::time::Instant;
use tower_layer::Layer as _;
use tower_service::Service;

#[derive(Debug, Clone, Copy)]
enum Job {
    Quick,
    /// Ends when it is dropped.
    Endless,
}

/// Counts the jobs that are under way: until they are gone, for one that was given up may not have ended.
#[derive(Clone)]
struct Worker {
    most: usize,
    busy: Arc<AtomicUsize>,
}

struct Work {
    job: Job,
    busy: Arc<AtomicUsize>,
}

type Response = Result<(), Error<Infallible>>;
type Call = Pin<Box<<QueueingBulkhead<Worker> as Service<Job>>::Future>>;

impl Service<Job> for Worker {
    type Response = ();
    type Error = Error<Infallible>;
    type Future = Work;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Response> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, job: Job) -> Work {
        assert!(self.busy.fetch_add(1, Ordering::AcqRel) < self.most);
        Work { job, busy: Arc::clone(&self.busy) }
    }
}

impl Future for Work {
    type Output = Response;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Response> {
        match self.job {
            Job::Quick => Poll::Ready(Ok(())),
            Job::Endless => Poll::Pending,
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.busy.fetch_sub(1, Ordering::AcqRel);
    }
}

/// With a queue in which nobody waits in vain.
fn queueing(limit: usize) -> QueueingBulkheadLayer {
    BulkheadLayer::new(limit).unwrap().queue()
}

/// Fails if there are ever more than `most` at work.
fn bulkhead(layer: &QueueingBulkheadLayer, most: usize) -> QueueingBulkhead<Worker> {
    layer.layer(Worker { most, busy: Arc::default() })
}

fn call(bulkhead: &QueueingBulkhead<Worker>, job: Job) -> Call {
    let mut bulkhead = bulkhead.clone();
    assert!(bulkhead.poll_ready(&mut Context::from_waker(Waker::noop())).is_ready());
    Box::pin(bulkhead.call(job))
}

fn poll(call: &mut Call) -> Poll<Response> {
    call.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// The calls that are admitted when nobody may queue.
fn admitted(calls: impl IntoIterator<Item = Call>) -> Vec<Call> {
    let is_admitted = |call: &mut Call| match poll(call) {
        Poll::Pending => true,
        Poll::Ready(response) => {
            assert!(matches!(response, Err(Error::Rejected(Rejection::BulkheadFull { .. }))));
            false
        }
    };
    let mut calls: Vec<_> = calls.into_iter().collect();
    calls.retain_mut(is_admitted);
    calls
}

fn assert_idle(bulkhead: &QueueingBulkhead<Worker>) {
    assert_eq!((bulkhead.semaphore().in_flight(), bulkhead.semaphore().queued()), (0, 0));
}

#[test]
fn without_a_queue_exactly_as_many_are_admitted_as_there_are_permits() {
    in_every_order(|| {
        let bulkhead = bulkhead(&BulkheadLayer::new(2).unwrap().into(), 2);
        let others = [(); 2].map(|()| {
            let bulkhead = bulkhead.clone();
            thread::spawn(move || call(&bulkhead, Job::Endless))
        });
        let mine = call(&bulkhead, Job::Endless);
        let calls = others.into_iter().map(|other| other.join().unwrap()).chain([mine]);

        let admitted = admitted(calls);
        assert_eq!(admitted.len(), 2);
        assert_eq!(bulkhead.semaphore().in_flight(), 2);
        drop(admitted);
        assert_idle(&bulkhead);
    });
}

#[test]
fn all_who_queue_get_their_turn_and_never_two_at_once() {
    in_every_order(|| {
        let bulkhead = bulkhead(&queueing(1), 1);
        let others = [(); 2].map(|()| {
            let bulkhead = bulkhead.clone();
            thread::spawn(move || block_on(call(&bulkhead, Job::Quick)))
        });
        assert_eq!(block_on(call(&bulkhead, Job::Quick)), Ok(()));
        for other in others {
            assert_eq!(other.join().unwrap(), Ok(()));
        }
        assert_idle(&bulkhead);
    });
}

#[test]
fn a_request_that_queues_as_the_permit_comes_free_gets_it() {
    in_every_order(|| {
        let bulkhead = bulkhead(&queueing(1), 1);
        let holder = call(&bulkhead, Job::Endless);
        let releaser = thread::spawn(move || drop(holder));
        let other = bulkhead.clone();
        let other = thread::spawn(move || block_on(call(&other, Job::Quick)));
        assert_eq!(block_on(call(&bulkhead, Job::Quick)), Ok(()));
        assert_eq!(other.join().unwrap(), Ok(()));
        releaser.join().unwrap();
        assert_idle(&bulkhead);
    });
}

#[test]
fn a_newcomer_never_overtakes_the_queue() {
    in_every_order(|| {
        let layer = queueing(1);
        let patient = bulkhead(&layer, 1);
        let impatient = bulkhead(&layer.max_wait(Duration::ZERO), 1);
        let holder = call(&patient, Job::Endless);
        let waiting = call(&patient, Job::Quick);
        let releaser = thread::spawn(move || drop(holder));
        assert!(admitted([call(&impatient, Job::Endless)]).is_empty());
        assert_eq!(block_on(waiting), Ok(()));
        releaser.join().unwrap();
        assert_idle(&patient);
    });
}

#[test]
fn one_who_joins_the_queue_as_the_last_one_leaves_it_is_not_forgotten() {
    in_every_order(|| {
        let bulkhead = bulkhead(&queueing(1), 1);
        let holder = call(&bulkhead, Job::Endless);
        let leaving = call(&bulkhead, Job::Quick);
        let leaver = thread::spawn(move || drop(leaving));
        let mut waiting = call(&bulkhead, Job::Quick);
        leaver.join().unwrap();
        drop(holder);
        assert_eq!(poll(&mut waiting), Poll::Ready(Ok(())));
        assert_idle(&bulkhead);
    });
}

/// So short that it is over when anybody looks.
const SHORT: Duration = Duration::from_nanos(1);

#[test]
fn a_waiter_whose_wait_is_over_keeps_no_permit_from_the_next() {
    in_every_order(|| {
        let layer = queueing(1);
        let patient = bulkhead(&layer, 1);
        let impatient = bulkhead(&layer.max_wait(SHORT), 1);
        let holder = call(&patient, Job::Endless);
        let late = call(&impatient, Job::Quick);
        let releaser = thread::spawn(move || drop(holder));
        assert_eq!(block_on(call(&patient, Job::Quick)), Ok(()));
        releaser.join().unwrap();
        drop(late);
        assert_idle(&patient);
    });
}

#[test]
fn a_permit_that_is_taken_back_as_it_is_picked_up_goes_to_one_of_both() {
    const WAIT: Duration = Duration::from_micros(200);
    in_every_order(|| {
        let layer = queueing(1);
        let patient = bulkhead(&layer, 1);
        let impatient = bulkhead(&layer.max_wait(WAIT), 1);
        let holder = call(&patient, Job::Endless);
        let mut late = call(&impatient, Job::Quick);
        drop(holder);
        let called = Instant::now();
        while called.elapsed() <= WAIT {
            std::hint::spin_loop();
        }
        let late = thread::spawn(move || match poll(&mut late) {
            Poll::Ready(Ok(()) | Err(Error::Rejected(Rejection::BulkheadTimeout { .. }))) => {}
            other => panic!("{other:?}"),
        });
        assert_eq!(block_on(call(&patient, Job::Quick)), Ok(()));
        late.join().unwrap();
        assert_idle(&patient);
    });
}

#[test]
fn a_permit_handed_to_one_who_leaves_is_not_lost() {
    in_every_order(|| {
        let bulkhead = bulkhead(&queueing(1), 1);
        let holder = call(&bulkhead, Job::Endless);
        let waiting = call(&bulkhead, Job::Quick);
        let releaser = thread::spawn(move || drop(holder));
        drop(waiting);
        releaser.join().unwrap();
        assert_idle(&bulkhead);
        assert_eq!(poll(&mut call(&bulkhead, Job::Quick)), Poll::Ready(Ok(())));
    });
}

#[test]
fn a_permit_handed_to_one_who_leaves_goes_to_the_next() {
    in_every_order(|| {
        let bulkhead = bulkhead(&queueing(1), 1);
        let holder = call(&bulkhead, Job::Endless);
        let (leaving, staying) = (call(&bulkhead, Job::Quick), call(&bulkhead, Job::Quick));
        let releaser = thread::spawn(move || drop(holder));
        let leaver = thread::spawn(move || drop(leaving));
        assert_eq!(block_on(staying), Ok(()));
        releaser.join().unwrap();
        leaver.join().unwrap();
        assert_idle(&bulkhead);
    });
}

#[test]
fn one_who_joins_the_queue_as_the_bulkhead_grows_gets_the_new_permit() {
    in_every_order(|| {
        let bulkhead = bulkhead(&queueing(1), 2);
        let holder = call(&bulkhead, Job::Endless);
        let operator = resize(&bulkhead, 2);
        assert_eq!(block_on(call(&bulkhead, Job::Quick)), Ok(()));
        operator.join().unwrap();
        assert_eq!(bulkhead.semaphore().limit(), 2);
        drop(holder);
        assert_idle(&bulkhead);
    });
}

#[test]
fn permits_that_are_added_and_that_come_free_all_go_to_waiters() {
    in_every_order(|| {
        let bulkhead = bulkhead(&queueing(1), 2);
        let holder = call(&bulkhead, Job::Endless);
        let mut waiting = [(); 2].map(|()| call(&bulkhead, Job::Endless));
        let operator = resize(&bulkhead, 2);
        let releaser = thread::spawn(move || drop(holder));
        operator.join().unwrap();
        releaser.join().unwrap();

        // An endless job under way and a request that queues both pend: only the permits tell.
        assert!(waiting.iter_mut().all(|call| poll(call).is_pending()));
        assert_eq!((bulkhead.semaphore().in_flight(), bulkhead.semaphore().queued()), (2, 0));
        drop(waiting);
        assert_idle(&bulkhead);
    });
}

#[test]
fn a_permit_added_for_a_waiter_that_leaves_is_not_lost() {
    in_every_order(|| {
        let bulkhead = bulkhead(&queueing(1), 2);
        let holder = call(&bulkhead, Job::Endless);
        let waiting = call(&bulkhead, Job::Quick);
        let operator = resize(&bulkhead, 2);
        drop(waiting);
        operator.join().unwrap();
        assert_eq!((bulkhead.semaphore().in_flight(), bulkhead.semaphore().queued()), (1, 0));
        drop(holder);
        assert_idle(&bulkhead);
    });
}

#[test]
fn a_resize_loses_neither_a_permit_that_is_taken_nor_one_that_comes_free() {
    in_every_order(|| {
        let bulkhead = bulkhead(&queueing(2), 2);
        let leaving = call(&bulkhead, Job::Endless);
        let operator = resize(&bulkhead, 3);
        let releaser = thread::spawn(move || drop(leaving));
        let staying = call(&bulkhead, Job::Endless);
        operator.join().unwrap();
        releaser.join().unwrap();
        assert_eq!((bulkhead.semaphore().limit(), bulkhead.semaphore().in_flight()), (3, 1));
        drop(staying);
        assert_idle(&bulkhead);
    });
}

#[test]
fn a_bulkhead_that_shrinks_as_a_permit_comes_free_neither_loses_nor_adds_one() {
    in_every_order(|| {
        let layer = queueing(2);
        let shrinking = bulkhead(&layer, 2);
        let [first, second] = [(); 2].map(|()| call(&shrinking, Job::Endless));
        let mut waiting = [(); 2].map(|()| call(&shrinking, Job::Endless));
        let operator = resize(&shrinking, 1);
        let releaser = thread::spawn(move || drop(first));
        operator.join().unwrap();
        releaser.join().unwrap();

        // It came free before, and went to one who waits; or after, and is gone.
        let numbers = || (shrinking.semaphore().in_flight(), shrinking.semaphore().queued());
        assert!(numbers() == (2, 1) || numbers() == (1, 2), "{:?}", numbers());
        // Where there is one too many, the next to end takes its permit along.
        drop(second);
        assert_eq!(numbers(), (1, 1));
        assert!(waiting.iter_mut().all(|call| poll(call).is_pending()));
        drop(waiting);
        assert_idle(&shrinking);
        let impatient = bulkhead(&layer.max_wait(Duration::ZERO), 1);
        assert_eq!(admitted([(); 2].map(|()| call(&impatient, Job::Endless))).len(), 1);
    });
}

fn resize(bulkhead: &QueueingBulkhead<Worker>, limit: usize) -> thread::JoinHandle<()> {
    let semaphore = bulkhead.semaphore().clone();
    thread::spawn(move || semaphore.resize(limit).unwrap())
}
