use std::collections::VecDeque;
use std::future::poll_fn;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use tokio::time::advance;
use tokio_test::task;

use super::*;

/// A bulkhead in which every request has a number, and which knows nothing of words, marks and wakers.
struct Model {
    limit: usize,
    in_flight: usize,
    queue: VecDeque<Waiter>,
    /// Have left the queue with a permit, and have not picked it up yet.
    granted: Vec<Waiter>,
    now: u64,
}

#[derive(Clone, Copy, PartialEq)]
struct Waiter {
    number: u32,
    end: u64,
}

impl Model {
    /// Those whose wait is over lose their turn, and the first in the queue are admitted as far as there are permits.
    fn hand_out(&mut self) {
        let now = self.now;
        let before = self.granted.len();
        self.queue.retain(|waiter| waiter.end >= now);
        self.granted.retain(|waiter| waiter.end >= now);
        self.in_flight -= before - self.granted.len();
        while self.in_flight < self.limit {
            let Some(first) = self.queue.pop_front() else { break };
            self.in_flight += 1;
            self.granted.push(first);
        }
    }

    fn arrive(&mut self, waiter: Waiter, max_queue: usize) -> Arrival {
        if !self.queue.is_empty() || self.in_flight >= self.limit {
            self.hand_out();
        }
        if self.queue.is_empty() && self.in_flight < self.limit {
            self.in_flight += 1;
            Arrival::Admitted
        } else if self.queue.len() < max_queue {
            self.queue.push_back(waiter);
            Arrival::Queued
        } else {
            Arrival::Rejected
        }
    }

    fn give_back(&mut self) {
        self.in_flight -= 1;
        if !self.queue.is_empty() {
            self.hand_out();
        }
    }

    fn leave(&mut self, number: u32) {
        self.queue.retain(|waiter| waiter.number != number);
        if self.granted.iter().any(|waiter| waiter.number == number) {
            self.granted.retain(|waiter| waiter.number != number);
            self.give_back();
        }
    }

    fn turn(&self, number: u32) -> Turn {
        let is_it = |waiter: &Waiter| waiter.number == number;
        match (self.queue.iter().any(is_it), self.granted.iter().any(is_it)) {
            (true, _) => Turn::Waiting(None),
            (_, true) => Turn::Granted,
            _ => Turn::Over,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Arrival {
    Admitted,
    Queued,
    Rejected,
}

#[derive(Debug, Clone)]
enum Step {
    /// A request that may queue behind this many, for this many seconds.
    Arrive(usize, u64),
    GiveBack(Index),
    /// One who waits looks whether it has a permit, whoever it is.
    Look(Index),
    Leave(Index),
    Resize(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (prop_oneof![0_usize..6, Just(usize::MAX)], 0_u64..40).prop_map(|(max, wait)| Step::Arrive(max, wait)),
        3 => any::<Index>().prop_map(Step::GiveBack),
        3 => any::<Index>().prop_map(Step::Look),
        2 => any::<Index>().prop_map(Step::Leave),
        1 => (1_usize..8).prop_map(Step::Resize),
        2 => (0_u64..10).prop_map(Step::Pass),
    ]
}

/// One who waits, as the task that it is.
fn waits(mut waiting: Waiting) -> task::Spawn<impl Future<Output = Option<Permit>>> {
    task::spawn(poll_fn(move |cx| waiting.poll_permit(cx)))
}

fn pick<T>(from: &mut Vec<T>, index: Index) -> Option<T> {
    (!from.is_empty()).then(|| from.swap_remove(index.index(from.len())))
}

fn with_paused_time<T>(run: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(run)
}

async fn check(limit: usize, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let start = Instant::now();
    let mut semaphore = Instance::new(Semaphore::new(limit).unwrap());
    let mut model = Model { limit, in_flight: 0, queue: VecDeque::new(), granted: Vec::new(), now: 0 };
    let (mut permits, mut waiting) = (Vec::new(), Vec::new());
    for (number, step) in (0..).zip(steps) {
        let in_flight_before = semaphore.in_flight();
        match step {
            Step::Arrive(max_queue, wait) => {
                let waiter = Waiter { number, end: model.now + wait };
                let end = Some(start + Duration::from_secs(waiter.end));
                let entry = semaphore.try_acquire().map_or_else(|| semaphore.enqueue(max_queue, end), Entry::Permit);
                let arrival = match entry {
                    Entry::Permit(permit) => {
                        permits.push(permit);
                        Arrival::Admitted
                    }
                    Entry::Queued(queued) => {
                        let mut queued = waits(queued);
                        prop_assert!(queued.poll().is_pending());
                        waiting.push((number, queued));
                        Arrival::Queued
                    }
                    Entry::Full => Arrival::Rejected,
                };
                prop_assert_eq!(arrival, model.arrive(waiter, max_queue));
            }
            Step::GiveBack(index) => {
                if let Some(permit) = pick(&mut permits, index) {
                    drop(permit);
                    model.give_back();
                }
            }
            Step::Look(index) => {
                if let Some((number, mut queued)) = pick(&mut waiting, index) {
                    let turn = model.turn(number);
                    prop_assert!(queued.is_woken() || turn != Turn::Granted);
                    prop_assert!(!queued.is_woken() || turn != Turn::Waiting(None));
                    match queued.poll() {
                        Poll::Ready(Some(permit)) => {
                            prop_assert_eq!(turn, Turn::Granted);
                            permits.push(permit);
                            model.granted.retain(|waiter| waiter.number != number);
                        }
                        Poll::Ready(None) => prop_assert_eq!(turn, Turn::Over),
                        Poll::Pending => {
                            prop_assert_eq!(turn, Turn::Waiting(None));
                            waiting.push((number, queued));
                        }
                    }
                }
            }
            Step::Leave(index) => {
                if let Some((number, queued)) = pick(&mut waiting, index) {
                    drop(queued);
                    model.leave(number);
                }
            }
            Step::Resize(limit) => {
                semaphore.resize(limit).unwrap();
                model.limit = limit;
                model.hand_out();
            }
            Step::Pass(seconds) => {
                advance(Duration::from_secs(seconds)).await;
                model.now += seconds;
            }
        }
        prop_assert_eq!(
            (semaphore.limit(), semaphore.in_flight(), semaphore.queued()),
            (model.limit, model.in_flight, model.queue.len())
        );
        // What the model must not be wrong about either.
        prop_assert!(semaphore.in_flight() <= semaphore.limit().max(in_flight_before));
        prop_assert!(semaphore.queued() == 0 || semaphore.in_flight() >= semaphore.limit());
        prop_assert_eq!(semaphore.shared.load().is_queued(), semaphore.queued() > 0);
    }
    drop((permits, waiting));
    prop_assert_eq!((semaphore.in_flight(), semaphore.queued()), (0, 0));
    prop_assert_eq!(semaphore.shared.lock().size(), 0);
    prop_assert_eq!(Arc::strong_count(&semaphore.shared), 1);
    Ok(())
}

proptest! {
    #[test]
    fn agrees_with_a_queue_of_numbers_step_by_step(
        limit in 1_usize..8,
        steps in prop::collection::vec(step(), 0..200),
    ) {
        with_paused_time(check(limit, steps))?;
    }
}

#[test]
fn waiters_that_leave_the_queue_leave_no_memory_behind() {
    let mut semaphore = Instance::new(Semaphore::new(1).unwrap());
    let _in_flight = semaphore.try_acquire().unwrap();
    let end = Some(Instant::now() + Duration::from_secs(60));
    let _first = semaphore.enqueue(usize::MAX, end);
    for _ in 0..1_000 {
        drop(semaphore.enqueue(usize::MAX, end));
    }
    assert_eq!(semaphore.shared.lock().size(), 2);
}

/// A waker that gives a permit back when it is woken or dropped, as a task does that ends.
#[test]
fn a_waker_that_touches_the_semaphore_does_not_deadlock() {
    struct Holds(std::sync::Mutex<Option<Permit>>);

    impl std::task::Wake for Holds {
        fn wake(self: Arc<Self>) {
            drop(self.0.lock().unwrap().take());
        }
    }

    with_paused_time(async {
        let mut semaphore = Instance::new(Semaphore::new(2).unwrap());
        let mut holds = || Waker::from(Arc::new(Holds(semaphore.try_acquire().into())));
        let wakers = [holds(), holds()];
        let end = Some(Instant::now() + Duration::from_secs(1));
        let waiting = [(); 4].map(|()| semaphore.enqueue(usize::MAX, end));
        let mut waiting = waiting.map(|entry| match entry {
            Entry::Queued(waiting) => waiting,
            _ => panic!("there are two permits"),
        });
        for (waiting, waker) in waiting.iter_mut().zip(&wakers) {
            assert!(waiting.poll_permit(&mut Context::from_waker(waker)).is_pending());
        }
        drop(wakers);
        // Replaced, expired, woken: each drops a waker.
        assert!(waiting[0].poll_permit(&mut Context::from_waker(Waker::noop())).is_pending());
        advance(Duration::from_secs(2)).await;
        semaphore.resize(3).unwrap();
        assert_eq!((semaphore.in_flight(), semaphore.queued()), (0, 0));
    });
}
