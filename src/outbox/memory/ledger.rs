//! The rows of an outbox and what may be done with them. It knows no lock and no clock: `now` is passed in.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use super::heads::{Heads, Part};
use super::rows::{Row, Rows, State};
use crate::outbox::claim::{Claim, Claimed, Lease};
use crate::outbox::message::Message;
use crate::outbox::parked::{Parked, ParkedHead};
use crate::outbox::settlement::Settlement;

#[derive(Debug, Default)]
pub(super) struct Ledger {
    rows: Rows,
    next: u64,
    /// Of all messages, so that no number comes again where an id does.
    claims: u64,
    by_id: HashMap<String, u64>,
    heads: Heads,
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
        let due = now.checked_add(message.due_in);
        self.heads.set(&message.topic, place, Part::Waits(due));
        let row = Row { message: message.clone(), state: State::Waiting, due, claim: 0, lapses: 0 };
        self.rows.insert(place, row);
        true
    }

    pub(super) fn claim(&mut self, limit: usize, lease: Duration, parked: ParkedHead, now: Instant) -> Vec<Claimed> {
        let is_due = |place: &u64| self.rows.get(*place).and_then(|row| row.due).is_some_and(|due| due <= now);
        let places = self.heads.by_due(parked).map(|(_, place)| place);
        let due: Vec<_> = places.take(limit).take_while(is_due).collect();
        let claim = |place| {
            let row = self.rows.get_mut(place)?;
            row.lapses = if row.state == State::Claimed { row.lapses.saturating_add(1) } else { 0 };
            row.state = State::Claimed;
            row.due = now.checked_add(lease);
            self.heads.set(&row.message.topic, place, Part::IsClaimed(row.due));
            self.claims += 1;
            row.claim = self.claims;
            Some(Claimed::new(row.message.clone(), Claim::new(row.message.id.as_str(), row.claim), row.lapses))
        };
        due.into_iter().filter_map(claim).collect()
    }

    pub(super) fn settle(&mut self, claim: &Claim, settlement: &Settlement, now: Instant) -> Lease {
        let Some(place) = self.by_id.get(&claim.id).copied() else { return Lease::Lost };
        let Some(row) = self.rows.get_mut(place) else { return Lease::Lost };
        if row.state != State::Claimed || row.claim != claim.number {
            return Lease::Lost;
        }
        let part = match settlement {
            Settlement::Done => {
                row.state = State::Done;
                self.done.insert((now, place));
                Part::IsDone
            }
            Settlement::Again { after, attempts, .. } => {
                row.state = State::Waiting;
                row.due = now.checked_add(*after);
                row.message.attempts = *attempts;
                Part::Waits(row.due)
            }
            Settlement::Parked { attempts, reason } => {
                row.state = State::Parked(reason.clone());
                row.message.attempts = *attempts;
                Part::IsParked
            }
        };
        self.heads.set(&row.message.topic, place, part);
        Lease::Held
    }

    pub(super) fn next_due(&self, parked: ParkedHead, now: Instant) -> Option<Duration> {
        let (due, _) = self.heads.by_due(parked).next()?;
        Some(due.saturating_duration_since(now))
    }

    pub(super) fn parked(&self, offset: usize, limit: usize) -> Vec<Parked> {
        let parked = self.rows.all().filter_map(|row| match &row.state {
            State::Parked(reason) => Some(Parked::new(row.message.clone(), reason.as_str())),
            _ => None,
        });
        parked.skip(offset).take(limit).collect()
    }

    pub(super) fn unpark(&mut self, id: &str, now: Instant) -> bool {
        let Some(place) = self.by_id.get(id).copied() else { return false };
        let row = self.rows.get_mut(place);
        let Some(row) = row.filter(|row| matches!(row.state, State::Parked(_))) else { return false };
        row.state = State::Waiting;
        row.due = Some(now);
        row.message.attempts = 0;
        self.heads.set(&row.message.topic, place, Part::Waits(row.due));
        true
    }

    pub(super) fn delete_done(&mut self, for_longer_than: Duration, limit: usize, now: Instant) -> usize {
        let is_old = |(done, _): &&(Instant, u64)| now.saturating_duration_since(*done) >= for_longer_than;
        let old: Vec<_> = self.done.iter().take_while(is_old).take(limit).copied().collect();
        for entry in &old {
            self.done.remove(entry);
            if let Some(row) = self.rows.remove(entry.1) {
                self.by_id.remove(&row.message.id);
            }
        }
        old.len()
    }

    pub(super) fn messages(&self) -> Vec<(Message, State)> {
        self.rows.all().map(|row| (row.message.clone(), row.state.clone())).collect()
    }
}

#[cfg(test)]
mod tests;
