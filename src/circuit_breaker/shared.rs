//! The machine behind a lock, and one word in front of it that is enough for a healthy call.
//!
//! The word is written under the lock and read without it. It says all that an admission needs to know while the
//! circuit is closed or open, and all that a success needs to know while the window holds nothing but successes;
//! what is decided by it takes effect at the moment of the load. Everything else takes the lock.

use std::sync::Arc;

use rand::RngExt as _;
use rand::rngs::SmallRng;
use tokio::sync::watch;
use tokio::time::Instant;

use super::causes::Causes;
use super::events;
use super::machine::{Counted, Machine};
use super::settings::Settings;
use super::step::{Failed, Now, Step};
use super::thresholds::Thresholds;
use super::ticket::{PROBE, Refusal, Ticket, UNSEEN};
use super::tracker::Tracker;
use super::watcher::{Published, StateWatcher};
use super::word::{Readiness, Word};
use crate::deadline::report_refusing;
use crate::error::Rejection;
use crate::rules::Verdict;
use crate::sync::{AtomicU64, Mutex, MutexGuard, OnceLock, Ordering, PoisonError};
use crate::window::Outcome;

/// What all clones of a circuit share.
///
/// In this order, so that the word, which every call reads, lies on another cache line than the reference count, which
/// every permit writes.
#[repr(C)]
pub(super) struct Shared {
    machine: Mutex<Machine>,
    /// Made when somebody first watches.
    published: OnceLock<watch::Sender<Published>>,
    pub(super) name: Arc<str>,
    pub(super) causes: Causes,
    word: AtomicU64,
    thresholds: Thresholds,
    /// What the word counts time from.
    origin: Instant,
}

impl Shared {
    pub(super) fn new(name: Arc<str>, settings: Arc<Settings>, tracker: Tracker) -> Self {
        let (origin, thresholds) = (Instant::now(), Thresholds::new(&settings));
        let machine = Machine::new(settings, tracker, rand::make_rng::<SmallRng>().random());
        Self {
            name,
            word: AtomicU64::new(Word::of(&machine, origin).0),
            thresholds,
            origin,
            machine: Mutex::new(machine),
            published: OnceLock::new(),
            causes: Causes::default(),
        }
    }

    #[inline]
    pub(super) fn word(&self) -> Word {
        Word(self.word.load(Ordering::Relaxed))
    }

    /// Admits a request.
    #[inline]
    pub(super) fn acquire(&self) -> Result<Ticket, Refusal> {
        let word = self.word();
        match word.pass() {
            Some(ticket) => Ok(ticket),
            None => self.acquire_now(word),
        }
    }

    #[cold]
    fn acquire_now(&self, word: Word) -> Result<Ticket, Refusal> {
        match word.refusal(self.origin) {
            Some(refusal) => Err(refusal),
            None => self.locked(Machine::acquire),
        }
    }

    /// When the call with this ticket begins, if it has to be timed.
    #[inline]
    pub(super) fn start(&self, ticket: Ticket) -> Option<Instant> {
        (self.thresholds.are_set() || ticket & PROBE != 0).then(Instant::now)
    }

    /// Whether the inner service is not asked, because the call will be rejected.
    #[cold]
    pub(super) fn rejects(&self) -> bool {
        match self.word().readiness() {
            Readiness::Ask => false,
            Readiness::Reject => true,
            Readiness::Unknown => self.locked(Machine::refusal).is_some(),
        }
    }

    /// Why a request would be rejected now, if it certainly would.
    #[inline]
    pub(super) fn refusal(&self) -> Option<Refusal> {
        let word = self.word();
        if word.is_half_open() { self.refusal_of_probe() } else { word.refusal(self.origin) }
    }

    /// Apart, so that nothing of it burdens the rejections of an open circuit.
    #[inline(never)]
    fn refusal_of_probe(&self) -> Option<Refusal> {
        self.locked(Machine::refusal)
    }

    #[inline]
    pub(super) fn rejection(&self, refusal: Refusal) -> Rejection {
        Rejection::CircuitOpen {
            name: Arc::clone(&self.name),
            retry_after: refusal.retry_after(),
            cause: self.causes.current(),
        }
    }

    /// Whether a success with this ticket changes nothing, so that there is nothing to record.
    #[inline]
    pub(super) fn absorbs_success(&self, ticket: Ticket) -> bool {
        self.word().absorbs_success(ticket)
    }

    /// Records how a call ended. `cause` says in a word what failed, and is asked only if something did.
    #[inline]
    pub(super) fn record(
        &self,
        ticket: Ticket,
        started: Option<Instant>,
        verdict: Verdict,
        cause: impl FnOnce() -> Failed,
    ) {
        if ticket == UNSEEN {
            return;
        }
        match verdict {
            Verdict::Success | Verdict::Declined | Verdict::Throttled { .. } | Verdict::InProgress { .. } => {
                if started.is_some() || !self.absorbs_success(ticket) {
                    self.record_success(ticket, started);
                }
            }
            Verdict::Failure(_) => self.record_failure(ticket, started, cause),
            Verdict::Ignored => self.release(ticket),
        }
    }

    #[inline(never)]
    fn record_success(&self, ticket: Ticket, started: Option<Instant>) {
        let mut now = Now::default();
        let outcome = Outcome::new(false, self.is_slow(started, &mut now));
        if outcome != Outcome::SUCCESS {
            return self.record_outcome(ticket, outcome, None, now);
        }
        let word = self.word();
        if word.absorbs_success(ticket) || !word.may_count(ticket) {
            return;
        }
        let mut machine = self.lock();
        match machine.count_success(ticket, &mut now) {
            Counted::Quietly => self.word.store(Word::of(&machine, self.origin).0, Ordering::Relaxed),
            Counted::Opens(tally) => self.step(machine, now, |machine, step| machine.open_at(tally, step)),
            Counted::NotHere => self.step(machine, now, |machine, step| machine.record(ticket, outcome, None, step)),
        }
    }

    #[cold]
    fn record_failure(&self, ticket: Ticket, started: Option<Instant>, cause: impl FnOnce() -> Failed) {
        let mut now = Now::default();
        let slow = self.is_slow(started, &mut now);
        self.record_outcome(ticket, Outcome::new(true, slow), cause(), now);
    }

    /// Tells a retry above, after a failure, that it need not pause for a rejection.
    #[cold]
    pub(super) fn tell_refusing(&self) {
        self.word().refusal(self.origin).and_then(Refusal::retry_after).into_iter().for_each(report_refusing);
    }

    fn is_slow(&self, started: Option<Instant>, now: &mut Now) -> bool {
        started.is_some_and(|started| {
            self.thresholds.are_set() && self.thresholds.is_slow(now.get().saturating_duration_since(started))
        })
    }

    fn record_outcome(&self, ticket: Ticket, outcome: Outcome, failed: Failed, now: Now) {
        let word = self.word();
        let absorbed = outcome == Outcome::SUCCESS && word.absorbs_success(ticket);
        if !absorbed && word.may_count(ticket) {
            self.locked_at(now, |machine, step| machine.record(ticket, outcome, failed, step));
        }
    }

    /// Takes back an admission that says nothing of the upstream.
    #[cold]
    fn release(&self, ticket: Ticket) {
        if self.may_be_probe(ticket) {
            self.locked(|machine, step| machine.release(ticket, step));
        }
    }

    /// Takes back the admission of a call that was cancelled. It failed if it was abandoned, and is recorded as slow if it
    /// was that already: a timeout outside the breaker would otherwise hide an upstream that hangs.
    #[cold]
    pub(super) fn cancel(&self, ticket: Ticket, started: Option<Instant>) {
        let Some(started) = started.filter(|_| ticket != UNSEEN) else { return };
        let mut now = Now::default();
        let elapsed = now.get().saturating_duration_since(started);
        if self.thresholds.is_abandoned(elapsed) {
            let outcome = Outcome::new(true, self.thresholds.is_slow(elapsed));
            self.record_outcome(ticket, outcome, Some("abandoned".into()), now);
        } else if self.thresholds.is_slow(elapsed) {
            self.record_outcome(ticket, Outcome::new(false, true), None, now);
        } else if self.may_be_probe(ticket) {
            self.locked_at(now, |machine, step| machine.cancel(ticket, elapsed, step));
        }
    }

    /// Whether the call may be a probe that is in flight.
    #[inline]
    fn may_be_probe(&self, ticket: Ticket) -> bool {
        ticket & PROBE != 0 && self.word().is_half_open()
    }

    /// A good head has come for this ticket; a body follows.
    #[inline]
    pub(super) fn note_head(&self, ticket: Ticket) {
        if self.may_be_probe(ticket) {
            self.locked(|machine, step| machine.note_head(ticket, step));
        }
    }

    pub(super) fn reconfigure(&self, settings: Settings, tracker: Tracker) {
        self.locked(|machine, step| {
            self.thresholds.set(&settings);
            machine.reconfigure(Arc::new(settings), tracker, step);
        });
    }

    pub(super) fn watch(&self) -> StateWatcher {
        let sender = self.published.get_or_init(|| watch::Sender::new(Published::new(self.word().state())));
        let watcher = sender.subscribe();
        // It may have changed since the look at it. Who changed it before this takes the lock is seen from here on;
        // who does so later sees the sender. Without the lock, both could miss each other.
        self.locked(|_, _| ());
        self.publish(sender, false);
        StateWatcher::new(watcher)
    }

    pub(super) fn locked<R>(&self, run: impl FnOnce(&mut Machine, &mut Step) -> R) -> R {
        self.locked_at(Now::default(), run)
    }

    #[inline]
    fn locked_at<R>(&self, now: Now, run: impl FnOnce(&mut Machine, &mut Step) -> R) -> R {
        self.step(self.lock(), now, run)
    }

    fn lock(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One step of the machine. What happened is published and told after the lock is gone: published first, since those
    /// who are told may panic.
    fn step<R>(
        &self,
        mut machine: MutexGuard<'_, Machine>,
        now: Now,
        run: impl FnOnce(&mut Machine, &mut Step) -> R,
    ) -> R {
        let mut step = Step::at(now);
        let result = run(&mut machine, &mut step);
        if step.failed.is_some() || !step.transitions.is_empty() {
            self.causes.note(&step);
        }
        self.word.store(Word::of(&machine, self.origin).0, Ordering::Relaxed);
        drop(machine);
        if step.freed || !step.transitions.is_empty() {
            self.announce(&step);
        }
        result
    }

    #[cold]
    fn announce(&self, step: &Step) {
        if let Some(published) = self.published.get() {
            self.publish(published, step.freed);
        }
        for transition in &step.transitions {
            events::tell(&self.name, transition, self.causes.current().as_deref());
        }
    }

    /// Sends the latest state, not that of a transition: of two that are told at once, the later one wins.
    fn publish(&self, sender: &watch::Sender<Published>, freed: bool) {
        sender.send_if_modified(|published| {
            let before = *published;
            published.state = self.word().state();
            published.changes += u64::from(published.state != before.state);
            published.freed += u64::from(freed);
            *published != before
        });
    }

    /// When the circuit next changes by time alone, as far as that is known.
    pub(super) fn next_change(&self) -> Option<Instant> {
        self.locked(|machine, _| machine.next_change())
    }

    /// Says that the open wait is over, so that services ask what they wrap.
    pub(super) fn note_due(&self) {
        self.locked(Machine::note_due);
    }
}

#[cfg(test)]
mod tests;
