use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::machine::Machine;
use super::permit::Permit;
use super::settings::Settings;
use super::shared::Shared;
use super::state::State;
use super::tracker::Tracker;
use super::watcher::StateWatcher;
use crate::error::Rejection;
use crate::window::Tally;

/// A circuit: the shared, named state of one upstream. Cheap to clone; all clones are the same circuit.
///
/// Give it to a [`CircuitBreakerLayer`](super::CircuitBreakerLayer), and keep a clone to look at it and to switch it
/// by hand. Without tower, [`acquire`](Self::acquire) a [`Permit`] for each call.
#[derive(Clone)]
pub struct Circuit {
    shared: Arc<Shared>,
}

/// A look at a [`Circuit`], all of it from one moment.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The name it was built with.
    pub name: Arc<str>,
    /// What it is doing.
    pub state: State,
    /// The calls behind the state: those in the window, while closed or recovering; the probes that have ended, while
    /// half-open; the calls that opened it, while open.
    pub tally: Tally,
    /// What the last failure was before it opened, until it is closed again.
    pub cause: Option<Arc<str>>,
}

impl Circuit {
    pub(super) fn new(name: Arc<str>, settings: Arc<Settings>, tracker: Tracker) -> Self {
        Self { shared: Arc::new(Shared::new(name, settings, tracker)) }
    }

    #[inline]
    pub(super) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Another circuit with the same settings: new, closed, and with a name of its own. It shares the settings, so that it
    /// takes less memory than one that is built. A later [`reconfigure`](Self::reconfigure) of one changes only that one.
    #[must_use]
    pub fn sibling(&self, name: impl Into<Arc<str>>) -> Self {
        let (settings, tracker) =
            self.shared.locked(|machine, _| (Arc::clone(machine.settings()), machine.blank_tracker()));
        Self::new(name.into(), settings, tracker)
    }

    /// The name it was built with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The state as of the last request. Time alone does not change it: the end of a wait, of probes or of the recovery shows
    /// with the next request.
    #[must_use]
    pub fn state(&self) -> State {
        self.shared.word().state()
    }

    /// Its state and the calls behind it, from one moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let (state, tally, cause) =
            self.shared.locked(|machine, step| (machine.state(), machine.tally(step), self.shared.causes.current()));
        Snapshot { name: Arc::clone(&self.shared.name), state, tally, cause }
    }

    /// Watches the state, and is woken when it changes.
    #[must_use]
    pub fn subscribe(&self) -> StateWatcher {
        self.shared.watch()
    }

    /// Asks to make one call: for code without a service.
    ///
    /// ```
    /// use windbreak::{Circuit, Verdict};
    ///
    /// # fn query() -> Result<u32, ()> { Ok(7) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let database = Circuit::builder("database").build()?;
    ///
    /// let permit = database.acquire()?;
    /// match query() {
    ///     Ok(_) => permit.record(Verdict::Success),
    ///     Err(_) => permit.record_failure("query"),
    /// }
    /// assert_eq!(database.snapshot().tally.calls, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Rejection::CircuitOpen`] if the circuit does not admit the call.
    pub fn acquire(&self) -> Result<Permit, Rejection> {
        match self.shared.acquire() {
            Ok(ticket) => Ok(Permit::new(Arc::clone(&self.shared), ticket, self.shared.start(ticket))),
            Err(refusal) => Err(self.shared.rejection(refusal)),
        }
    }

    /// Its state and the calls behind it, once time has done what it does to it, and whether a request would be rejected.
    pub(crate) fn look(&self) -> (State, Tally, bool) {
        self.shared.locked(|machine, step| {
            let rejects = machine.refusal(step).is_some();
            (machine.state(), machine.tally(step), rejects)
        })
    }

    /// Rejects every request until [`reset`](Self::reset) or another switch ends it.
    pub fn force_open(&self) {
        self.shared.locked(Machine::force_open);
    }

    /// Admits every request and records nothing, until [`reset`](Self::reset) or another switch ends it.
    pub fn force_closed(&self) {
        self.shared.locked(Machine::force_closed);
    }

    /// Admits and records every request, but never opens, until [`reset`](Self::reset) or another switch ends it. Starts
    /// with an empty window.
    pub fn observe_only(&self) {
        self.shared.locked(Machine::observe_only);
    }

    /// Opens now, once, for `wait`; then it is half-open and goes on by its settings. It does not lengthen later waits.
    pub fn force_open_for(&self, wait: Duration) {
        self.shared.locked(|machine, step| machine.force_open_for(wait, step));
    }

    /// Closes it with an empty window, as if newly built. Results of earlier requests no longer count.
    pub fn reset(&self) {
        self.shared.locked(Machine::reset);
    }
}

impl fmt::Debug for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Circuit").field("name", &self.name()).field("state", &self.state()).finish_non_exhaustive()
    }
}
