use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use tokio::time::Instant;

use super::dice::{Dice, Rates};
use super::fault::Fault;
use super::running::{Closures, FaultCounts, Running};
use crate::sync::{AtomicU64, Mutex, Ordering, PoisonError};

/// How often it is said that faults are on.
const WARN_EVERY: Duration = Duration::from_secs(1);

/// Whether faults happen, and which one is next. What the handle, its plans and its services have in common.
pub(super) struct Switch<Request, E> {
    shared: Arc<Shared<Request, E>>,
}

struct Shared<Request, E> {
    is_on: AtomicU64,
    state: Mutex<State<Request, E>>,
}

struct State<Request, E> {
    seed: Option<u64>,
    running: Option<Running<Request, E>>,
    counts: FaultCounts,
}

/// What happens to a request.
pub(super) enum Next<E> {
    Pass,
    Fail(E),
    Delay(Duration),
    Hang,
    LoseResponse,
}

impl<Request, E> Switch<Request, E> {
    pub(super) fn off() -> Self {
        let state = State { seed: None, running: None, counts: FaultCounts::default() };
        Self { shared: Arc::new(Shared { is_on: AtomicU64::new(0), state: Mutex::new(state) }) }
    }

    pub(super) fn set_seed(&self, seed: u64) {
        self.locked(|state| state.seed = Some(seed));
    }

    pub(super) fn stop(&self) {
        let ran = self.locked(|state| self.end(state));
        if ran {
            tracing::info!("faults are off");
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.locked(|state| state.running.as_ref().is_some_and(|running| !running.is_over(Instant::now())))
    }

    pub(super) fn counts(&self) -> FaultCounts {
        self.locked(|state| state.counts)
    }

    /// Starts, instead of what runs.
    pub(super) fn start(
        &self,
        script: VecDeque<Fault>,
        rates: Rates,
        closures: Closures<Request, E>,
        duration: Option<Duration>,
    ) {
        let ends = duration.and_then(|duration| Instant::now().checked_add(duration));
        self.locked(|state| {
            let rng = state.seed.map_or_else(rand::make_rng, SmallRng::seed_from_u64);
            state.running = Some(Running::new(Dice::new(script, rates, rng), closures, ends));
            self.shared.is_on.store(1, Ordering::Relaxed);
        });
    }

    /// What happens to `request`.
    #[inline]
    pub(super) fn next(&self, request: &Request) -> Next<E> {
        if self.shared.is_on.load(Ordering::Relaxed) == 0 { Next::Pass } else { self.draw(request) }
    }

    #[cold]
    fn draw(&self, request: &Request) -> Next<E> {
        let Some(closures) = self.closures() else { return Next::Pass };
        // The user's code runs without the lock.
        if !closures.chooses(request) {
            return Next::Pass;
        }
        let fault = self.locked(|state| {
            // Another plan may have been started since.
            let running = state.running.as_mut().filter(|running| running.is_of(&closures));
            let fault = running.map_or(Fault::Ok, |running| running.dice.next());
            state.counts.add(fault);
            fault
        });
        match fault {
            Fault::Ok => Next::Pass,
            Fault::Fail => closures.error(request).map_or(Next::Pass, Next::Fail),
            Fault::Delay(delay) => Next::Delay(delay),
            Fault::Hang => Next::Hang,
            Fault::LoseResponse => Next::LoseResponse,
        }
    }

    /// Those of the plan that runs. Ends one that is over, and says what is the case.
    fn closures(&self) -> Option<Arc<Closures<Request, E>>> {
        let now = Instant::now();
        let (closures, is_to_be_said, counts) = self.locked(|state| {
            let counts = state.counts;
            match &mut state.running {
                None => (None, false, counts),
                Some(running) if running.is_over(now) => (None, self.end(state), counts),
                Some(running) => (Some(running.closures()), running.is_to_be_said(now, WARN_EVERY), counts),
            }
        });
        let FaultCounts { failed, delayed, hung, lost } = counts;
        match (&closures, is_to_be_said) {
            (_, false) => {}
            (Some(_), true) => tracing::warn!(failed, delayed, hung, lost, "faults are on"),
            (None, true) => tracing::info!("faults are off"),
        }
        closures
    }

    /// Says whether there was something to end.
    fn end(&self, state: &mut State<Request, E>) -> bool {
        self.shared.is_on.store(0, Ordering::Relaxed);
        state.running.take().is_some()
    }

    fn locked<T>(&self, run: impl FnOnce(&mut State<Request, E>) -> T) -> T {
        run(&mut self.shared.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<Request, E> Clone for Switch<Request, E> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}
