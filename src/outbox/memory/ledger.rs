//! The rows of an outbox and what may be done with them. It knows no lock and no clock: `now` is passed in.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use crate::outbox::claim::{Claim, Claimed, Lease};
use crate::outbox::message::Message;
use crate::outbox::parked::{Parked, ParkedHead};
use crate::outbox::settlement::Settlement;

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
struct Row {
    message: Message,
    state: State,
    /// When it may be claimed: as it falls due, or, while it is claimed, as the lease runs out. `None` is beyond the clock.
    due: Option<Instant>,
    /// The number of its last claim.
    claim: u64,
    lapses: u32,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    rows: BTreeMap<u64, Row>,
    next: u64,
    /// Of all messages, so that no number comes again where an id does.
    claims: u64,
    by_id: HashMap<String, u64>,
    /// Of each topic those that are not done.
    topics: BTreeMap<String, BTreeSet<u64>>,
    /// When each of those that are done was.
    done: BTreeSet<(Instant, u64)>,
}

impl Ledger {
    /// `false` if the id is there already.
    pub(super) fn insert(&mut self, message: &Message, now: Instant) -> bool {
        if self.by_id.contains_key(&message.id) {
            return false;
        }
        let place = self.next;
        self.next += 1;
        self.by_id.insert(message.id.clone(), place);
        self.topics.entry(message.topic.clone()).or_default().insert(place);
        let due = now.checked_add(message.due_in);
        let row = Row { message: message.clone(), state: State::Waiting, due, claim: 0, lapses: 0 };
        self.rows.insert(place, row);
        true
    }

    /// Of each topic the place of the one that may be claimed next, and when.
    fn heads(&self, parked: ParkedHead) -> impl Iterator<Item = (Instant, u64)> {
        self.topics.values().filter_map(move |places| {
            let rows = || places.iter().map(|place| (*place, &self.rows[place]));
            let claimed = rows().find(|(_, row)| row.state == State::Claimed);
            let (place, row) = claimed.or_else(|| match parked {
                ParkedHead::Blocks => rows().next().filter(|(_, row)| row.state == State::Waiting),
                ParkedHead::IsSteppedOver => rows().find(|(_, row)| row.state == State::Waiting),
            })?;
            Some((row.due?, place))
        })
    }

    pub(super) fn claim(&mut self, limit: usize, lease: Duration, parked: ParkedHead, now: Instant) -> Vec<Claimed> {
        let mut due: Vec<_> = self.heads(parked).filter(|(due, _)| *due <= now).collect();
        due.sort_unstable();
        due.truncate(limit);
        let claim = |(_, place)| {
            let row = self.rows.get_mut(&place)?;
            row.lapses = if row.state == State::Claimed { row.lapses.saturating_add(1) } else { 0 };
            row.state = State::Claimed;
            row.due = now.checked_add(lease);
            self.claims += 1;
            row.claim = self.claims;
            Some(Claimed::new(row.message.clone(), Claim::new(row.message.id.as_str(), row.claim), row.lapses))
        };
        due.into_iter().filter_map(claim).collect()
    }

    pub(super) fn settle(&mut self, claim: &Claim, settlement: &Settlement, now: Instant) -> Lease {
        let Some(place) = self.by_id.get(&claim.id).copied() else { return Lease::Lost };
        let Some(row) = self.rows.get_mut(&place) else { return Lease::Lost };
        if row.state != State::Claimed || row.claim != claim.number {
            return Lease::Lost;
        }
        match settlement {
            Settlement::Done => {
                row.state = State::Done;
                self.done.insert((now, place));
                if let Some(places) = self.topics.get_mut(&row.message.topic) {
                    places.remove(&place);
                    if places.is_empty() {
                        self.topics.remove(&row.message.topic);
                    }
                }
            }
            Settlement::Again { after, attempts, .. } => {
                row.state = State::Waiting;
                row.due = now.checked_add(*after);
                row.message.attempts = *attempts;
            }
            Settlement::Parked { attempts, reason } => {
                row.state = State::Parked(reason.clone());
                row.message.attempts = *attempts;
            }
        }
        Lease::Held
    }

    pub(super) fn next_due(&self, parked: ParkedHead, now: Instant) -> Option<Duration> {
        self.heads(parked).map(|(due, _)| due.saturating_duration_since(now)).min()
    }

    pub(super) fn parked(&self, offset: usize, limit: usize) -> Vec<Parked> {
        let parked = self.rows.values().filter_map(|row| match &row.state {
            State::Parked(reason) => Some(Parked::new(row.message.clone(), reason.as_str())),
            _ => None,
        });
        parked.skip(offset).take(limit).collect()
    }

    pub(super) fn unpark(&mut self, id: &str, now: Instant) -> bool {
        let row = self.by_id.get(id).and_then(|place| self.rows.get_mut(place));
        let Some(row) = row.filter(|row| matches!(row.state, State::Parked(_))) else { return false };
        row.state = State::Waiting;
        row.due = Some(now);
        row.message.attempts = 0;
        true
    }

    pub(super) fn delete_done(&mut self, for_longer_than: Duration, limit: usize, now: Instant) -> usize {
        let is_old = |(done, _): &&(Instant, u64)| now.saturating_duration_since(*done) >= for_longer_than;
        let old: Vec<_> = self.done.iter().take_while(is_old).take(limit).copied().collect();
        for entry in &old {
            self.done.remove(entry);
            if let Some(row) = self.rows.remove(&entry.1) {
                self.by_id.remove(&row.message.id);
            }
        }
        old.len()
    }

    pub(super) fn messages(&self) -> Vec<(Message, State)> {
        self.rows.values().map(|row| (row.message.clone(), row.state.clone())).collect()
    }
}

#[cfg(test)]
mod tests;
