use std::collections::VecDeque;
use std::future::poll_fn;

use proptest::prelude::*;
use proptest::sample::Index;
use tokio_test::task;

use super::*;

/// A bulkhead in which everybody has a number, and which knows nothing of words, marks and channels.
struct Model {
    limit: usize,
    in_flight: usize,
    queue: VecDeque<u32>,
    /// Have left the queue with a place, and have not seen it yet.
    admitted: Vec<u32>,
}

impl Model {
    /// The first in the queue are let in as long as there is room.
    fn let_in(&mut self) {
        while self.in_flight < self.limit {
            let Some(first) = self.queue.pop_front() else { break };
            self.in_flight += 1;
            self.admitted.push(first);
        }
    }

    fn arrive(&mut self, number: u32, max_queue: usize) -> Arrival {
        if self.in_flight < self.limit {
            self.in_flight += 1;
            Arrival::Admitted
        } else if self.queue.len() < max_queue {
            self.queue.push_back(number);
            Arrival::Queued
        } else {
            Arrival::Rejected
        }
    }

    fn give_back(&mut self) {
        self.in_flight -= 1;
        self.let_in();
    }

    fn leave(&mut self, number: u32) {
        if self.admitted.contains(&number) {
            self.admitted.retain(|&other| other != number);
            self.give_back();
        } else {
            self.queue.retain(|&other| other != number);
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
    /// A request that may queue behind so many.
    Arrive(usize),
    GiveBack(Index),
    /// One who waits looks whether there is a place, whoever it is.
    Look(Index),
    Leave(Index),
    Resize(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop_oneof![0_usize..6, Just(usize::MAX)].prop_map(Step::Arrive),
        3 => any::<Index>().prop_map(Step::GiveBack),
        3 => any::<Index>().prop_map(Step::Look),
        2 => any::<Index>().prop_map(Step::Leave),
        1 => (1_usize..8).prop_map(Step::Resize),
    ]
}

/// One who waits, as the task that it is.
fn waits(mut waiting: Waiting) -> task::Spawn<impl Future<Output = Permit>> {
    task::spawn(poll_fn(move |cx| waiting.poll_permit(cx)))
}

fn pick<T>(from: &mut Vec<T>, index: Index) -> Option<T> {
    (!from.is_empty()).then(|| from.swap_remove(index.index(from.len())))
}

proptest! {
    #[test]
    fn agrees_with_a_queue_of_numbers_step_by_step(
        limit in 1_usize..8,
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let semaphore = Semaphore::new(limit).unwrap();
        let mut model = Model { limit, in_flight: 0, queue: VecDeque::new(), admitted: Vec::new() };
        let (mut permits, mut waiting) = (Vec::new(), Vec::new());
        for (number, step) in (0..).zip(steps) {
            let in_flight_before = semaphore.in_flight();
            match step {
                Step::Arrive(max_queue) => {
                    let arrival = match semaphore.try_acquire().map(Ok).or_else(|| semaphore.enqueue(max_queue)) {
                        Some(Ok(permit)) => {
                            permits.push(permit);
                            Arrival::Admitted
                        }
                        Some(Err(queued)) => {
                            let mut queued = waits(queued);
                            prop_assert!(queued.poll().is_pending());
                            waiting.push((number, queued));
                            Arrival::Queued
                        }
                        None => Arrival::Rejected,
                    };
                    prop_assert_eq!(arrival, model.arrive(number, max_queue));
                }
                Step::GiveBack(index) => {
                    if let Some(permit) = pick(&mut permits, index) {
                        drop(permit);
                        model.give_back();
                    }
                }
                Step::Look(index) => {
                    if let Some((number, mut queued)) = pick(&mut waiting, index) {
                        let admitted = model.admitted.contains(&number);
                        prop_assert_eq!(queued.is_woken(), admitted);
                        if let Poll::Ready(permit) = queued.poll() {
                            prop_assert!(admitted);
                            permits.push(permit);
                            model.admitted.retain(|&other| other != number);
                        } else {
                            prop_assert!(!admitted);
                            waiting.push((number, queued));
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
                    model.let_in();
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
        prop_assert_eq!(Arc::strong_count(&semaphore.shared), 1);
    }
}

#[test]
fn those_who_leave_the_queue_leave_no_memory_behind() {
    let semaphore = Semaphore::new(1).unwrap();
    let _in_flight = semaphore.try_acquire().unwrap();
    let _first = semaphore.enqueue(usize::MAX).unwrap().err().unwrap();
    for _ in 0..1_000 {
        let leaves = semaphore.enqueue(usize::MAX).unwrap().err().unwrap();
        assert_eq!(semaphore.shared.lock().waiting.len(), 2);
        drop(leaves);
    }
    assert_eq!(semaphore.shared.lock().waiting.len(), 1);
}

#[test]
fn the_largest_limit_has_room_for_the_mark_beside_it() {
    let word = Word::new(Word::MAX_LIMIT).with_queued(true).take_one();
    assert_eq!((word.limit(), word.taken(), word.is_queued()), (Word::MAX_LIMIT as u64, 1, true));
    let full = Word(word.0 | Word::TAKEN);
    assert!(!full.has_room());
    assert_eq!(full.with_limit(1).taken(), Word::TAKEN);
    assert!(!full.with_queued(false).is_queued());
}
