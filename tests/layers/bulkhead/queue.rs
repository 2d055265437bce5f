//! Requests that queue for a permit.

use std::time::Duration;

use tokio::task::LocalSet;
use tokio::time::{Instant, advance, sleep};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok};
use tower::{Layer as _, ServiceBuilder, ServiceExt, service_fn};
use windbreak::bulkhead::QueueingBulkheadLayer;
use windbreak::{BulkheadLayer, Rejection, TimeoutLayer};

use super::{Error, call, client, numbers};
use crate::support::{millis, secs, starved_at_first};

#[tokio::test(start_paused = true)]
async fn requests_are_admitted_in_the_order_in_which_they_were_called() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(secs(10));
    let client = client(&layer);
    let mut calls: Vec<_> = (0..5).map(|_| call(&client)).collect();
    // In which order they are polled does not matter.
    for (_, response) in calls.iter_mut().rev() {
        assert_pending!(response.poll());
    }
    assert_eq!(numbers(layer.semaphore()), (1, 4));
    while !calls.is_empty() {
        for (_, behind) in &mut calls[1..] {
            assert!(!behind.is_woken());
        }
        let (end, mut first) = calls.remove(0);
        end.send(7).unwrap();
        assert_eq!(assert_ready_ok!(first.poll()), 7);
        if let Some((_, next)) = calls.first_mut() {
            assert!(next.is_woken());
            assert_pending!(next.poll());
        }
        assert_eq!(numbers(layer.semaphore()), (calls.len().min(1), calls.len().saturating_sub(1)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_does_not_overtake_the_queue() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(secs(10));
    let client = client(&layer);
    let (end, in_flight) = call(&client);
    let (_end, mut queued) = call(&client);
    assert_pending!(queued.poll());
    drop((end, in_flight));
    // The permit is free, and the queued request has not been polled since.
    let (newcomers_end, mut newcomer) = call(&client);
    newcomers_end.send(7).unwrap();
    assert_pending!(newcomer.poll());
    drop(queued);
    assert_eq!(assert_ready_ok!(newcomer.poll()), 7);
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_bounded_by_max_queue() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(secs(10)).max_queue(2);
    let client = client(&layer);
    let _in_flight = call(&client);
    let (_, first) = call(&client);
    let (_, _second) = call(&client);
    let error = assert_ready_err!(call(&client).1.poll());
    assert!(matches!(error, Error::Rejected(Rejection::BulkheadFull { limit: 1, .. })));
    drop(first);
    assert_pending!(call(&client).1.poll());
}

#[tokio::test(start_paused = true)]
async fn a_zero_queue_rejects_at_once() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(secs(10)).max_queue(0);
    let client = client(&layer);
    let in_flight = call(&client);
    assert!(assert_ready_err!(call(&client).1.poll()).is_bulkhead_full());
    drop(in_flight);
    assert_pending!(call(&client).1.poll());
}

#[tokio::test(start_paused = true)]
async fn by_default_the_queue_has_no_bound() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(secs(10));
    let client = client(&layer);
    let _calls: Vec<_> = (0..10_001).map(|_| call(&client)).collect();
    assert_eq!(numbers(layer.semaphore()), (1, 10_000));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_ends_without_a_permit_is_a_bulkhead_timeout() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(millis(100));
    let client = client(&layer);
    let (_end, _in_flight) = call(&client);
    let start = Instant::now();
    let (_, queued) = call(&client);
    let error = queued.await.unwrap_err();
    assert_eq!(start.elapsed(), millis(100));
    let Error::Rejected(Rejection::BulkheadTimeout { limit: 1, max_wait, .. }) = error else { panic!("{error:?}") };
    assert_eq!(max_wait, millis(100));
    assert!(error.is_bulkhead_full() && !error.is_timeout());
    assert_eq!(error.rejection().unwrap().to_string(), "the limit of 1 request in flight was reached for 100ms");
    assert_eq!(numbers(layer.semaphore()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_comes_free_at_the_last_moment_is_taken() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(secs(1));
    let client = client(&layer);
    let in_flight = call(&client);
    let (end, mut queued) = call(&client);
    assert_pending!(queued.poll());
    advance(secs(1)).await;
    drop(in_flight);
    end.send(7).unwrap();
    assert_eq!(assert_ready_ok!(queued.poll()), 7);
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_comes_free_at_the_last_moment_is_taken_also_by_a_task_without_budget() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(secs(1));
    let client = client(&layer);
    let in_flight = call(&client);
    let (end, mut queued) = call(&client);
    assert_pending!(queued.poll());
    advance(secs(1)).await;
    drop(in_flight);
    end.send(7).unwrap();
    assert_eq!(starved_at_first(queued).await, Ok(7));
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_clock_never_ends() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(Duration::MAX);
    let client = client(&layer);
    let in_flight = call(&client);
    let (end, mut queued) = call(&client);
    assert_pending!(queued.poll());
    advance(secs(365 * 24 * 60 * 60)).await;
    assert_pending!(queued.poll());
    drop(in_flight);
    end.send(7).unwrap();
    assert_eq!(assert_ready_ok!(queued.poll()), 7);
}

#[tokio::test(start_paused = true)]
async fn only_the_wait_for_a_permit_is_bounded() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(millis(100));
    let client = ServiceBuilder::new().layer(layer).service(service_fn(|wait: Duration| async move {
        sleep(wait).await;
        Ok::<_, Error>(())
    }));
    let (first, second) = tokio::join!(client.clone().oneshot(millis(90)), client.clone().oneshot(secs(60)));
    assert_eq!((first, second), (Ok(()), Ok(())));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_request_leaves_the_queue() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(secs(10));
    let client = client(&layer);
    let in_flight = call(&client);
    let (_, mut leaves) = call(&client);
    let (end, mut stays) = call(&client);
    assert_pending!(leaves.poll());
    assert_pending!(stays.poll());
    drop(leaves);
    assert_eq!(numbers(layer.semaphore()), (1, 1));
    drop(in_flight);
    end.send(7).unwrap();
    assert_eq!(assert_ready_ok!(stays.poll()), 7);
}

#[tokio::test(start_paused = true)]
async fn a_permit_handed_to_a_request_that_is_dropped_goes_to_the_next() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(secs(10));
    let client = client(&layer);
    let in_flight = call(&client);
    let (_, mut leaves) = call(&client);
    let (end, mut next) = call(&client);
    assert_pending!(leaves.poll());
    assert_pending!(next.poll());
    drop(in_flight);
    assert!(leaves.is_woken() && !next.is_woken());
    drop(leaves);
    assert!(next.is_woken());
    end.send(7).unwrap();
    assert_eq!(assert_ready_ok!(next.poll()), 7);
    assert_eq!(numbers(layer.semaphore()), (0, 0));
}

#[test]
#[should_panic(expected = "runtime")]
fn a_bounded_wait_panics_without_a_runtime() {
    let layer = BulkheadLayer::new(1).unwrap().max_wait(secs(1));
    let client = client(&layer);
    let _in_flight = call(&client);
    let _ = call(&client).1.poll();
}

fn queueing(max_wait: Duration) -> QueueingBulkheadLayer {
    BulkheadLayer::new(1).expect("the test arranged it").queue().max_wait(max_wait)
}

#[tokio::test(start_paused = true)]
async fn a_wait_counts_from_the_call_however_late_it_is_polled() {
    let layer = queueing(millis(100));
    let client = client(&layer);
    let (_end, _in_flight) = call(&client);
    let (_, mut queued) = call(&client);
    advance(millis(60)).await;
    assert_pending!(queued.poll());
    advance(millis(39)).await;
    assert_pending!(queued.poll());
    advance(millis(2)).await;
    assert!(queued.is_woken());
    let error = assert_ready_err!(queued.poll());
    let Error::Rejected(Rejection::BulkheadTimeout { max_wait, .. }) = error else { panic!("{error:?}") };
    assert_eq!(max_wait, millis(100));
}

#[tokio::test(start_paused = true)]
async fn a_request_first_polled_after_its_wait_is_rejected_at_once() {
    let layer = queueing(millis(100));
    let client = client(&layer);
    let (_end, _in_flight) = call(&client);
    let (_, mut queued) = call(&client);
    advance(millis(101)).await;
    assert!(assert_ready_err!(queued.poll()).is_bulkhead_full());
    assert_eq!(numbers(layer.semaphore()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_nobody_polls_keeps_its_place_in_the_queue_only_for_its_wait() {
    let layer = queueing(millis(100)).max_queue(1);
    let client = client(&layer);
    let (_end, _in_flight) = call(&client);
    let (_, _never_polled) = call(&client);
    assert!(assert_ready_err!(call(&client).1.poll()).is_bulkhead_full());
    advance(millis(101)).await;
    assert_pending!(call(&client).1.poll());
}

#[tokio::test(start_paused = true)]
async fn no_permit_is_handed_to_a_request_whose_wait_is_over() {
    let layer = queueing(millis(100));
    let client = client(&layer);
    let (_end, in_flight) = call(&client);
    let (_, mut late) = call(&client);
    advance(millis(50)).await;
    let (_end_of_next, mut next) = call(&client);
    assert_pending!(next.poll());
    advance(millis(51)).await;
    drop(in_flight);
    assert!(next.is_woken());
    assert_pending!(next.poll());
    assert!(assert_ready_err!(late.poll()).is_bulkhead_full());
    assert_eq!(numbers(layer.semaphore()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_nobody_picks_up_goes_to_others_when_the_wait_is_over() {
    let layer = queueing(millis(100));
    let client = client(&layer);
    let (_end, in_flight) = call(&client);
    let (_, mut late) = call(&client);
    drop(in_flight);
    assert_eq!(numbers(layer.semaphore()), (1, 0));
    advance(millis(101)).await;
    let (end, mut newcomer) = call(&client);
    end.send(7).unwrap();
    assert_eq!(assert_ready_ok!(newcomer.poll()), 7);
    assert!(assert_ready_err!(late.poll()).is_bulkhead_full());
    assert_eq!(numbers(layer.semaphore()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_nobody_picks_up_goes_to_who_waits_already_when_the_wait_is_over() {
    let layer = queueing(millis(100));
    let client = client(&layer);
    let (_end, in_flight) = call(&client);
    let (_, _never_polled) = call(&client);
    advance(millis(50)).await;
    let (end, mut waits) = call(&client);
    end.send(7).unwrap();
    assert_pending!(waits.poll());
    drop(in_flight);
    let start = Instant::now();
    assert_eq!(waits.await, Ok(7));
    assert!(start.elapsed() < millis(60), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_wait_has_no_end_keeps_its_permit_until_it_is_dropped() {
    let layer = BulkheadLayer::new(1).unwrap().queue();
    let client = client(&layer);
    let (_end, in_flight) = call(&client);
    let (_, never_polled) = call(&client);
    drop(in_flight);
    advance(secs(3600)).await;
    assert_eq!(numbers(layer.semaphore()), (1, 0));
    drop(never_polled);
    assert_eq!(numbers(layer.semaphore()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_bounded_by_the_deadline() {
    for max_wait in [Duration::MAX, secs(1)] {
        let layer = queueing(max_wait);
        let (_end, _in_flight) = call(&client(&layer));
        let limited = TimeoutLayer::new(millis(100)).layer(client(&layer));
        let start = Instant::now();
        let (_end, queued) = call(&limited);
        let error = queued.await.unwrap_err();
        assert_eq!(start.elapsed(), millis(100));
        // Not a timeout, which may have taken effect: it was not sent.
        let Error::Rejected(Rejection::BulkheadTimeout { max_wait, .. }) = error else { panic!("{error:?}") };
        assert_eq!(max_wait, millis(100));
    }
}

#[tokio::test(start_paused = true)]
async fn a_shorter_max_wait_ends_before_the_deadline() {
    let layer = queueing(millis(30));
    let (_end, _in_flight) = call(&client(&layer));
    let start = Instant::now();
    let (_end, queued) = call(&TimeoutLayer::new(millis(100)).layer(client(&layer)));
    assert!(queued.await.unwrap_err().is_bulkhead_full());
    assert_eq!(start.elapsed(), millis(30));
}

/// Whoever polls a `LocalSet` within a timeout makes its deadline visible to tasks that have nothing to do with it.
#[tokio::test(start_paused = true)]
async fn a_task_of_a_local_set_keeps_queueing_past_a_strangers_deadline() {
    for max_wait in [Duration::MAX, secs(5)] {
        let (layer, tasks) = (queueing(max_wait), LocalSet::new());
        let (_end, in_flight) = call(&client(&layer));
        let asked = client(&layer);
        let task = tasks.spawn_local(async move {
            let (end, queued) = call(&asked);
            end.send(8).unwrap();
            queued.await
        });
        let stranger = ServiceBuilder::new().layer(TimeoutLayer::new(millis(100))).service(service_fn(
            |tasks: LocalSet| async move {
                let _ = tokio::time::timeout(millis(50), tasks.run_until(std::future::pending::<()>())).await;
                Ok::<_, Error>(tasks)
            },
        ));
        let tasks = stranger.oneshot(tasks).await.unwrap();
        sleep(secs(1)).await;
        drop(in_flight);
        assert_eq!(tasks.run_until(task).await.unwrap(), Ok(8));
    }
}
