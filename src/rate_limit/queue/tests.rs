use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// A queue in which everybody is always awake.
#[derive(Clone)]
struct Model {
    gcra: Gcra,
    tat: Nanos,
    paused_until: Nanos,
    waiting: VecDeque<(u64, u32)>,
}

impl Model {
    /// Those who pass at `now`, in order.
    fn serve(&mut self, now: Nanos) -> Vec<u64> {
        let mut passed = Vec::new();
        while let Some(&(number, cost)) = self.waiting.front() {
            match self.gcra.pass(self.tat, now, cost.into()) {
                Ok(tat) if now >= self.paused_until => self.tat = tat,
                _ => break,
            }
            self.waiting.pop_front();
            passed.push(number);
        }
        passed
    }

    /// When one who comes now would pass, found by trying each nanosecond.
    fn passes_at(&self, cost: u32, now: Nanos) -> Nanos {
        let mut model = self.clone();
        model.waiting.push_back((u64::MAX, cost));
        (now..=Nanos::MAX).find(|&now| model.serve(now).last() == Some(&u64::MAX)).expect("it fits")
    }
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One who waits, and is polled when its timer elapses or it is woken, and not otherwise.
struct Task {
    number: u64,
    last_start: Nanos,
    timer: Nanos,
    woken: Arc<Flag>,
}

impl Task {
    /// Polled for the first time.
    fn new(number: u64, last_start: Nanos) -> Self {
        Self { number, last_start, timer: 0, woken: Arc::default() }
    }

    fn is_due(&self, now: Nanos) -> bool {
        self.timer <= now || self.woken.0.load(Ordering::Relaxed)
    }

    fn look(&mut self, queue: &mut Queue, now: Nanos) -> Look {
        self.woken.0.store(false, Ordering::Relaxed);
        let look = queue.look(self.number, now, self.last_start, &mut Some(Arc::clone(&self.woken).into()));
        if let Look::Waits(at) = look {
            assert!(at > now, "a timer for {at} at {now}");
            self.timer = at;
        }
        queue.wakers.drain(..).for_each(Waker::wake);
        look
    }
}

#[derive(Debug, Clone)]
enum Step {
    Arrive { cost: u32, patience: Nanos, max_waiting: usize },
    Pass(Nanos),
    Leave(Index),
    Pause(Nanos),
    Lower(u32),
    Set { interval: Nanos, burst: u32 },
}

fn calm() -> impl Strategy<Value = Step> {
    let patience = prop_oneof![1 => Just(0), 1 => 1..60_u64, 3 => Just(NEVER)];
    let max_waiting = prop_oneof![1 => 0..4_usize, 3 => Just(usize::MAX)];
    prop_oneof![
        5 => (1..6_u32, patience, max_waiting)
            .prop_map(|(cost, patience, max_waiting)| Step::Arrive { cost, patience, max_waiting }),
        4 => (1..20_u64).prop_map(Step::Pass),
        2 => any::<Index>().prop_map(Step::Leave),
    ]
}

/// With what makes a wait longer than was foreseen: so there is no bound on it.
fn disturbed() -> impl Strategy<Value = Step> {
    let calm = calm().prop_map(|step| match step {
        Step::Arrive { cost, patience, max_waiting } if patience > 0 => {
            Step::Arrive { cost, patience: NEVER, max_waiting }
        }
        step => step,
    });
    prop_oneof![
        8 => calm,
        1 => (0..30_u64).prop_map(Step::Pause),
        1 => (0..8_u32).prop_map(Step::Lower),
        1 => (1..12_u64, 1..6_u32).prop_map(|(interval, burst)| Step::Set { interval, burst }),
    ]
}

fn gcra(interval: Nanos, burst: u32) -> Gcra {
    Gcra { interval, refill: interval * u64::from(burst) }
}

/// Polls whoever is due, in an order that `order` says, until nobody is. Those who pass.
fn settle(queue: &mut Queue, tasks: &mut Vec<Task>, now: Nanos, order: &mut impl FnMut(usize) -> usize) -> Vec<u64> {
    let mut passed = Vec::new();
    queue.wakers.drain(..).for_each(Waker::wake);
    loop {
        let due: Vec<_> = (0..tasks.len()).filter(|&task| tasks[task].is_due(now)).collect();
        if due.is_empty() {
            return passed;
        }
        let task = due[order(due.len())];
        match tasks[task].look(queue, now) {
            Look::Passed => passed.push(tasks.remove(task).number),
            Look::Refused(_) => drop(tasks.remove(task)),
            Look::Waits(_) => {}
        }
    }
}

fn agrees_with_the_model(interval: Nanos, burst: u32, steps: Vec<Step>, order: &[Index]) -> Result<(), TestCaseError> {
    let mut orders = order.iter().cycle();
    let mut order = |len: usize| orders.next().map_or(0, |index| index.index(len));
    let mut queue = Queue::new(gcra(interval, burst));
    let mut model = Model { gcra: queue.gcra, tat: 0, paused_until: 0, waiting: VecDeque::new() };
    let (mut tasks, mut now) = (Vec::new(), 1_000);
    for step in steps {
        match step {
            Step::Arrive { cost, patience, max_waiting } => {
                let arrival = queue.arrive(cost, now, now + patience, max_waiting);
                if !model.gcra.fits(cost) {
                    prop_assert_eq!(arrival, Arrival::Refused(Refusal::TooDear));
                    continue;
                }
                let at = model.passes_at(cost, now);
                let expected = if at == now {
                    model.tat = model.gcra.pass(model.tat, now, cost.into()).unwrap();
                    Arrival::Passed
                } else if at > now + patience || model.waiting.len() >= max_waiting {
                    Arrival::Refused(Refusal::Until(at))
                } else {
                    let number = queue.next - 1;
                    model.waiting.push_back((number, cost));
                    tasks.push(Task::new(number, now + patience));
                    Arrival::Waits(number)
                };
                prop_assert_eq!(arrival, expected);
            }
            Step::Pass(nanos) => {
                for _ in 0..nanos {
                    now += 1;
                    let mut passed = settle(&mut queue, &mut tasks, now, &mut order);
                    // All that pass at one moment pass at once: in which order they are polled does not matter.
                    passed.sort_unstable();
                    prop_assert_eq!(passed, model.serve(now), "at {}", now);
                }
            }
            Step::Leave(index) if !tasks.is_empty() => {
                let task = tasks.remove(index.index(tasks.len()));
                drop(queue.leave(task.number, now));
                model.waiting.retain(|&(number, _)| number != task.number);
            }
            Step::Leave(_) => {}
            Step::Pause(nanos) => {
                queue.pause(now + nanos);
                model.paused_until = model.paused_until.max(now + nanos);
            }
            Step::Lower(left) => {
                queue.lower(left, now);
                model.tat = model.gcra.lower(model.tat, now, left);
            }
            Step::Set { interval, burst } => {
                let new = gcra(interval, burst);
                queue.set(new, now);
                model.tat = new.convert(model.gcra, model.tat, now);
                model.gcra = new;
                model.waiting.retain(|&(_, cost)| new.fits(cost));
            }
        }
        let mut passed = settle(&mut queue, &mut tasks, now, &mut order);
        passed.sort_unstable();
        prop_assert_eq!(passed, model.serve(now), "at {}", now);
        prop_assert_eq!((queue.tat.max(now), queue.waiting()), (model.tat.max(now), model.waiting.len()));
        let free = now >= model.paused_until && model.waiting.is_empty();
        prop_assert_eq!(queue.must_be_asked(now), !free);
        prop_assert_eq!(queue.available(now), if free { model.gcra.available(model.tat, now) } else { 0 });
    }
    Ok(())
}

proptest! {
    #[test]
    fn who_is_polled_when_due_passes_as_in_a_plain_queue(
        interval in 1..12_u64,
        burst in 1..6_u32,
        steps in prop::collection::vec(calm(), 0..80),
        order in prop::collection::vec(any::<Index>(), 1..20),
    ) {
        agrees_with_the_model(interval, burst, steps, &order)?;
    }

    #[test]
    fn pauses_and_new_rates_change_when_but_not_in_which_order(
        interval in 1..12_u64,
        burst in 1..6_u32,
        steps in prop::collection::vec(disturbed(), 0..80),
        order in prop::collection::vec(any::<Index>(), 1..20),
    ) {
        agrees_with_the_model(interval, burst, steps, &order)?;
    }

    /// Whoever is polled, and however late: what passes within any span is what the rate allows.
    #[test]
    fn late_polls_never_bunch_together_more_than_the_rate_allows(
        interval in prop_oneof![1..12_u64, 400_000..2_000_000_u64],
        burst in 1..6_u32,
        steps in prop::collection::vec((0..5_u32, 0..12_u64, any::<Index>(), any::<bool>()), 1..120),
    ) {
        let gcra = gcra(interval, burst);
        let mut queue = Queue::new(gcra);
        let (mut tasks, mut passed, mut now) = (Vec::<Task>::new(), Vec::<(Nanos, u32)>::new(), 1_000);
        let mut costs = Vec::new();
        for (cost, pause, index, leaves) in steps {
            now += pause * interval / 3;
            let cost = cost.min(burst);
            let pays = if cost > 0 {
                match queue.arrive(cost, now, NEVER, usize::MAX) {
                    Arrival::Passed => Some(cost),
                    Arrival::Waits(number) => {
                        tasks.push(Task::new(number, NEVER));
                        costs.push((number, cost));
                        None
                    }
                    Arrival::Refused(refusal) => return Err(TestCaseError::fail(format!("{refusal:?}"))),
                }
            } else if !tasks.is_empty() {
                let task = index.index(tasks.len());
                if leaves {
                    drop(queue.leave(tasks.remove(task).number, now));
                    None
                } else if tasks[task].look(&mut queue, now) == Look::Passed {
                    let task = tasks.remove(task);
                    costs.iter().find(|&&(number, _)| number == task.number).map(|&(_, cost)| cost)
                } else {
                    None
                }
            } else {
                None
            };
            if let Some(cost) = pays {
                passed.push((now, cost));
                let mut sum = 0;
                for &(at, cost) in passed.iter().rev() {
                    sum += u64::from(cost);
                    prop_assert!(sum <= u64::from(burst) + (now - at) / interval);
                }
            }
        }
        for task in tasks {
            drop(queue.leave(task.number, now));
        }
        let gone = (queue.waiting(), queue.turns.len(), queue.absent.len(), queue.held);
        prop_assert_eq!(gone, (0, 0, 0, 0));
        // Whoever left without passing is as if it had never come.
        let tat = passed.iter().fold(0, |tat, &(at, cost)| gcra.pass(tat, at, cost.into()).expect("it passed"));
        prop_assert_eq!(queue.tat, tat);
    }

    /// Some are never polled. The others pass in order, and no later than if each of those had passed when its turn was
    /// over.
    #[test]
    fn those_who_are_not_polled_hold_nobody_up_for_ever(
        interval in prop_oneof![100_000..TURN_KEPT, TURN_KEPT..5_000_000],
        burst in 1..4_u32,
        waiting in prop::collection::vec((1..4_u32, any::<bool>()), 1..20),
        order in prop::collection::vec(any::<Index>(), 1..20),
    ) {
        let mut orders = order.iter().cycle();
        let mut order = |len: usize| orders.next().map_or(0, |index| index.index(len));
        let mut queue = Queue::new(gcra(interval, burst));
        let start = 1_000;
        prop_assert_eq!(queue.arrive(burst, start, start, 0), Arrival::Passed);
        let (mut tasks, mut polled, mut latest) = (Vec::new(), Vec::new(), start);
        for (cost, is_polled) in waiting {
            let cost = cost.min(burst);
            let Arrival::Waits(number) = queue.arrive(cost, start, NEVER, usize::MAX) else {
                return Err(TestCaseError::fail("it does not wait"));
            };
            latest += queue.gcra.price(cost.into()).max(TURN_KEPT) + queue.gcra.price(cost.into());
            if is_polled {
                tasks.push(Task::new(number, NEVER));
                polled.push(number);
            }
        }
        let (mut passed, mut now) = (settle(&mut queue, &mut tasks, start, &mut order), start);
        while let Some(next) = tasks.iter().map(|task| task.timer).min() {
            now = next;
            let mut together = settle(&mut queue, &mut tasks, now, &mut order);
            together.sort_unstable();
            passed.append(&mut together);
        }
        prop_assert_eq!(passed, polled);
        prop_assert!(now <= latest, "{} is later than {}", now, latest);
        // Nor newcomers, who never wait: one of them passes once each has had its turn.
        let kept = queue.gcra.refill.max(TURN_KEPT);
        let newcomers = (1..=30).map(|turn| queue.arrive(burst, now + turn * kept, 0, 0));
        prop_assert!(newcomers.into_iter().any(|arrival| arrival == Arrival::Passed));
    }
}

fn waits(queue: &mut Queue, cost: u32, now: Nanos) -> u64 {
    match queue.arrive(cost, now, NEVER, usize::MAX) {
        Arrival::Waits(number) => number,
        arrival => panic!("{arrival:?}"),
    }
}

fn look(queue: &mut Queue, number: u64, now: Nanos) -> Look {
    queue.look(number, now, NEVER, &mut Some(Waker::noop().clone()))
}

#[test]
fn a_turn_that_was_handed_out_is_kept_for_its_owner_until_it_lapses() {
    const T: Nanos = 5_000_000;
    let mut queue = Queue::new(gcra(T, 1));
    assert_eq!(queue.arrive(1, T, T, 0), Arrival::Passed);
    let (first, second) = (waits(&mut queue, 1, T), waits(&mut queue, 1, T));
    // The second is polled first, when both could pass: the first has its turn, and the second waits for it.
    assert_eq!(look(&mut queue, second, 3 * T), Look::Waits(4 * T));
    assert_eq!(queue.arrive(1, 3 * T, 3 * T, 0), Arrival::Refused(Refusal::Until(5 * T)));
    assert_eq!(look(&mut queue, first, 4 * T - 1), Look::Passed);
    // What passed late is paid for as of then.
    assert_eq!(look(&mut queue, second, 4 * T), Look::Waits(5 * T - 1));
    assert_eq!(look(&mut queue, second, 5 * T - 1), Look::Passed);
}

#[test]
fn a_turn_that_was_handed_out_is_not_overtaken_when_nobody_else_waits() {
    let mut queue = Queue::new(gcra(10, 1));
    assert_eq!(queue.arrive(1, 10, 10, 0), Arrival::Passed);
    let owner = waits(&mut queue, 1, 10);
    assert_eq!(queue.arrive(1, 20, 20, 0), Arrival::Refused(Refusal::Until(30)));
    assert_eq!((queue.waiting(), queue.must_be_asked(20), queue.available(20)), (0, true, 0));
    assert_eq!(look(&mut queue, owner, 20), Look::Passed);
    assert!(!queue.must_be_asked(20));
}

#[test]
fn one_behind_a_waiter_that_is_not_polled_looks_when_the_turn_of_that_one_comes() {
    const T: Nanos = 5_000_000;
    let mut queue = Queue::new(gcra(T, 1));
    assert_eq!(queue.arrive(1, T, T, 0), Arrival::Passed);
    let (first, second) = (waits(&mut queue, 1, T), waits(&mut queue, 1, T));
    // The first was not polled at all.
    assert_eq!(look(&mut queue, second, T), Look::Waits(2 * T));
    assert_eq!(look(&mut queue, first, T), Look::Waits(2 * T));
    assert_eq!(look(&mut queue, second, T), Look::Waits(3 * T));
    // Its time is over, its turn has moved, and it was not polled since.
    queue.lower(0, 2 * T);
    assert_eq!(look(&mut queue, second, 2 * T), Look::Waits(3 * T));
}

#[test]
fn only_the_next_waits_for_a_turn_to_lapse() {
    const T: Nanos = TURN_KEPT / 10;
    let mut queue = Queue::new(gcra(T, 1));
    assert_eq!(queue.arrive(1, T, T, 0), Arrival::Passed);
    let [_, second, third] = [(); 3].map(|()| waits(&mut queue, 1, T));
    assert_eq!(look(&mut queue, second, 2 * T), Look::Waits(2 * T + TURN_KEPT));
    assert_eq!(queue.look(third, 2 * T, 3 * T, &mut None), Look::Waits(3 * T));
}

#[test]
fn one_whose_turn_has_lapsed_is_first_again_when_it_is_polled() {
    const T: Nanos = 5_000_000;
    let mut queue = Queue::new(gcra(T, 1));
    assert_eq!(queue.arrive(1, T, T, 0), Arrival::Passed);
    let (first, second, third) = (waits(&mut queue, 1, T), waits(&mut queue, 1, T), waits(&mut queue, 1, T));
    assert_eq!(look(&mut queue, second, 2 * T), Look::Waits(3 * T));
    assert_eq!(look(&mut queue, second, 3 * T), Look::Passed);
    assert_eq!(look(&mut queue, first, 3 * T), Look::Waits(4 * T));
    assert_eq!(look(&mut queue, third, 3 * T), Look::Waits(5 * T));
    assert_eq!(look(&mut queue, first, 4 * T), Look::Passed);
    assert_eq!(look(&mut queue, third, 5 * T), Look::Passed);
}

#[test]
fn a_pause_and_a_new_rate_take_back_the_turns_that_were_not_taken_up() {
    const T: Nanos = 5_000_000;
    for pauses in [true, false] {
        let mut queue = Queue::new(gcra(T, 1));
        assert_eq!(queue.arrive(1, T, T, 0), Arrival::Passed);
        let (first, second) = (waits(&mut queue, 1, T), waits(&mut queue, 1, T));
        assert_eq!(look(&mut queue, second, 2 * T), Look::Waits(3 * T));
        if pauses {
            queue.pause(10 * T);
        } else {
            // Nothing is outstanding at 2 T, so the rate starts afresh.
            queue.lower(0, 2 * T);
            queue.set(gcra(8 * T, 1), 2 * T);
        }
        assert_eq!(look(&mut queue, first, 2 * T), Look::Waits(10 * T));
        assert_eq!(look(&mut queue, first, 10 * T), Look::Passed);
    }
}

#[test]
fn the_longest_pause_wins() {
    let mut queue = Queue::new(gcra(10, 1));
    queue.pause(500);
    queue.pause(300);
    assert_eq!(queue.arrive(1, 100, 100, 0), Arrival::Refused(Refusal::Until(500)));
    assert!(queue.must_be_asked(499) && !queue.must_be_asked(500));
    assert_eq!(queue.arrive(1, 500, 500, 0), Arrival::Passed);
}

#[test]
fn a_wait_that_grows_beyond_its_bound_is_refused_as_soon_as_it_is_seen() {
    let mut queue = Queue::new(gcra(10, 1));
    assert_eq!(queue.arrive(1, 100, 100, 0), Arrival::Passed);
    let number = waits(&mut queue, 1, 100);
    queue.pause(200);
    assert_eq!(queue.look(number, 100, 199, &mut None), Look::Refused(Refusal::Until(200)));
    assert_eq!(queue.waiting(), 0);
    let number = waits(&mut queue, 1, 100);
    assert_eq!(queue.look(number, 100, 200, &mut None), Look::Waits(200));
}

#[test]
fn pauses_and_waits_beyond_the_clock_are_never_over() {
    let mut queue = Queue::new(gcra(NEVER / 2, 1));
    assert_eq!(queue.arrive(1, 1, 1, 0), Arrival::Passed);
    let numbers: Vec<_> = (0..10).map(|_| waits(&mut queue, 1, 1)).collect();
    assert_eq!(look(&mut queue, numbers[0], 1), Look::Waits(NEVER / 2 + 1));
    assert_eq!(look(&mut queue, numbers[9], 1), Look::Waits(NEVER));
    queue.pause(u64::MAX);
    assert_eq!(look(&mut queue, numbers[0], 1), Look::Waits(NEVER));
}
