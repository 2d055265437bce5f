//! All messages by their places.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::outbox::message::Message;

/// What has become of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// It waits for its delivery, or for those before it in its topic.
    Waiting,
    /// A relay has it, or had it and did not settle it.
    Claimed,
    /// It is set aside for a person, for this reason.
    Parked(String),
    /// It is delivered.
    Done,
}

#[derive(Debug)]
pub(super) struct Row {
    pub(super) message: Message,
    pub(super) state: State,
    /// When it may be claimed: as it falls due, or, while it is claimed, as the lease runs out. `None` is beyond the clock.
    pub(super) due: Option<Instant>,
    /// The number of its last claim.
    pub(super) claim: u64,
    pub(super) lapses: u32,
}

#[derive(Debug, Default)]
pub(super) struct Rows {
    rows: BTreeMap<u64, Row>,
    /// How many rows were looked at: what a claim costs.
    #[cfg(test)]
    pub(super) looked_at: std::cell::Cell<usize>,
}

impl Rows {
    pub(super) fn get(&self, place: u64) -> Option<&Row> {
        #[cfg(test)]
        self.looked_at.set(self.looked_at.get() + 1);
        self.rows.get(&place)
    }

    pub(super) fn get_mut(&mut self, place: u64) -> Option<&mut Row> {
        #[cfg(test)]
        self.looked_at.set(self.looked_at.get() + 1);
        self.rows.get_mut(&place)
    }

    pub(super) fn insert(&mut self, place: u64, row: Row) {
        self.rows.insert(place, row);
    }

    pub(super) fn remove(&mut self, place: u64) -> Option<Row> {
        self.rows.remove(&place)
    }

    /// In the order of insertion.
    pub(super) fn all(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }
}
