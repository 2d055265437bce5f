//! What tower asks of every service, and what dropping owes to every caller.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{Service, ServiceExt};
use windbreak::Error;

use super::subjects::Subject;
use super::upstream::{Fate, Readiness};

/// The upstream panics if a layer calls an instance that it did not ask, as a fresh clone would be.
pub(crate) fn the_instance_that_was_polled_ready_is_called(mut subject: Subject) {
    subject.assert_responds();
    subject.assert_responds();

    let mut clone = subject.service.clone();
    subject.assert_ready();
    assert_ready_ok!(task::spawn(clone.ready()).poll());
    for service in [&mut clone, &mut subject.service] {
        let mut call = task::spawn(service.call(subject.request.clone()));
        assert_eq!(assert_ready!(call.poll()), Ok("response"));
    }
    assert_eq!(subject.upstream.calls(), 4);
    drop(clone);
    subject.assert_at_rest();
}

pub(crate) fn poll_ready_may_be_repeated(mut subject: Subject) {
    subject.upstream.set_readiness(Readiness::Pending);
    for _ in 0..3 {
        assert_pending!(task::spawn(subject.service.ready()).poll());
    }
    subject.upstream.set_readiness(Readiness::Ready);
    for _ in 0..3 {
        subject.assert_ready();
    }
    subject.assert_responds();
    assert_eq!(subject.upstream.calls(), 1);
    subject.assert_at_rest();
}

pub(crate) fn who_waits_for_readiness_is_woken(mut subject: Subject) {
    subject.upstream.set_readiness(Readiness::Pending);
    let mut ready = task::spawn(subject.service.ready());
    assert_pending!(ready.poll());
    assert!(!ready.is_woken());
    subject.upstream.set_readiness(Readiness::Ready);
    assert!(ready.is_woken());
    assert_ready_ok!(ready.poll());
}

pub(crate) fn an_error_of_readiness_is_passed_on(mut subject: Subject) {
    subject.upstream.set_readiness(Readiness::Fails);
    let error = assert_ready_err!(task::spawn(subject.service.ready()).poll());
    assert_eq!(error, Error::Service("not ready"));
    subject.assert_at_rest();
}

/// A future may move from task to task.
pub(crate) fn who_polled_the_response_last_is_woken(mut subject: Subject) {
    subject.upstream.set_fate(Fate::Pends);
    let mut first = subject.call();
    assert_pending!(first.poll());
    let mut last = task::spawn(first.into_inner());
    assert_pending!(last.poll());
    assert!(!last.is_woken());
    subject.upstream.set_fate(Fate::Responds);
    assert!(last.is_woken());
    assert_eq!(assert_ready!(last.poll()), Ok("response"));
}

/// A caller may keep a future for as long as it likes.
pub(crate) fn a_finished_future_that_is_still_there_keeps_nobody_out(mut subject: Subject) {
    subject.upstream.set_fate(Fate::Pends);
    let mut finished = subject.call();
    assert_pending!(finished.poll());
    subject.upstream.set_fate(Fate::Responds);
    assert_eq!(assert_ready!(finished.poll()), Ok("response"));
    subject.assert_responds();
    drop(finished);
    subject.assert_at_rest();
}

pub(crate) fn a_future_dropped_before_its_first_poll_gives_everything_back(mut subject: Subject) {
    for _ in 0..3 {
        drop(subject.call());
        subject.assert_at_rest();
    }
    subject.assert_responds();
}

pub(crate) fn a_future_dropped_while_the_upstream_works_gives_everything_back(mut subject: Subject) {
    for _ in 0..3 {
        subject.upstream.set_fate(Fate::Pends);
        let mut call = subject.call();
        assert_pending!(call.poll());
        assert_eq!(subject.upstream.futures(), 1);
        drop(call);
        subject.assert_at_rest();
    }
    subject.assert_responds();
}

pub(crate) fn a_service_that_is_ready_and_never_called_holds_nothing(mut subject: Subject) {
    let mut idle: Vec<_> = (0..3).map(|_| subject.service.clone()).collect();
    for clone in &mut idle {
        assert_ready_ok!(task::spawn(clone.ready()).poll());
    }
    subject.assert_responds();
    drop(idle);
    subject.assert_at_rest();
}

/// Wherever the layer makes the call: in its own, or in its future.
pub(crate) fn a_panic_in_call_gives_everything_back(mut subject: Subject) {
    subject.upstream.set_fate(Fate::PanicsWhenCalled);
    assert!(catch_unwind(AssertUnwindSafe(|| subject.call().poll())).is_err());
    assert_eq!(subject.upstream.calls(), 1);
    subject.assert_at_rest();
}

pub(crate) fn a_panic_while_polled_gives_everything_back(mut subject: Subject) {
    subject.upstream.set_fate(Fate::PanicsWhenPolled);
    let mut call = subject.call();
    assert!(catch_unwind(AssertUnwindSafe(|| call.poll())).is_err());
    drop(call);
    subject.assert_at_rest();
}
