use std::fmt;

use tokio::sync::watch;

use super::state::State;

/// What those who watch a circuit are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) state: State,
    /// How many changes of state were published.
    pub(super) changes: u64,
    /// How many times a probe left its place to another.
    pub(super) freed: u64,
}

impl Published {
    pub(super) const fn new(state: State) -> Self {
        Self { state, changes: 0, freed: 0 }
    }
}

/// Watches the state of a [`Circuit`](super::Circuit). Made by [`Circuit::subscribe`](super::Circuit::subscribe).
///
/// It copies the state out and holds no lock, so that the circuit may be switched while it is looked at. States that
/// pass between two looks are not kept. A watcher does not keep the circuit alive.
#[derive(Clone)]
pub struct StateWatcher {
    published: watch::Receiver<Published>,
    seen: Published,
}

impl StateWatcher {
    pub(super) fn new(published: watch::Receiver<Published>) -> Self {
        let seen = *published.borrow();
        Self { published, seen }
    }

    /// The state as it is now.
    #[must_use]
    pub fn state(&self) -> State {
        self.published.borrow().state
    }

    /// Waits until the state has changed since this was last asked, or since the watcher was made, and returns the state
    /// as it then is. `None` once the circuit and all its clones are gone, and the last change was seen.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, no change is lost: the next call returns at once.
    pub async fn changed(&mut self) -> Option<State> {
        loop {
            let before = self.look();
            if self.seen.changes != before.changes {
                return Some(self.seen.state);
            }
            self.published.changed().await.ok()?;
        }
    }

    /// Looks at what is published, and returns what was seen before.
    fn look(&mut self) -> Published {
        let latest = *self.published.borrow_and_update();
        std::mem::replace(&mut self.seen, latest)
    }

    /// Waits until the state has changed, or a probe has left its place to another.
    pub(super) async fn moved(&mut self) {
        while self.look() == self.seen {
            if self.published.changed().await.is_err() {
                // Nothing will change any more.
                std::future::pending::<()>().await;
            }
        }
    }
}

impl fmt::Debug for StateWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateWatcher").field("state", &self.state()).finish_non_exhaustive()
    }
}
