//! Which message of each topic is next, in the order in which they fall due. It knows places and times, no messages.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio::time::Instant;

use crate::outbox::parked::ParkedHead;

/// What a message is to the others of its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Waits(Option<Instant>),
    IsClaimed(Option<Instant>),
    IsParked,
    IsDone,
}

/// Kept with each change, so that a claim looks at what it takes, and at nothing that waits behind.
#[derive(Debug, Default)]
pub(super) struct Heads {
    topics: HashMap<String, Topic>,
    /// The heads where a parked message blocks its topic.
    blocked: BTreeSet<(Instant, u64)>,
    /// The heads where it is stepped over.
    stepped_over: BTreeSet<(Instant, u64)>,
}

#[derive(Debug, Default)]
struct Topic {
    claimed: Option<(u64, Option<Instant>)>,
    waiting: BTreeMap<u64, Option<Instant>>,
    parked: BTreeSet<u64>,
}

impl Topic {
    fn set(&mut self, place: u64, part: Part) {
        self.claimed.take_if(|(claimed, _)| *claimed == place);
        self.waiting.remove(&place);
        self.parked.remove(&place);
        match part {
            Part::Waits(due) => drop(self.waiting.insert(place, due)),
            Part::IsClaimed(due) => self.claimed = Some((place, due)),
            Part::IsParked => drop(self.parked.insert(place)),
            Part::IsDone => {}
        }
    }

    fn is_empty(&self) -> bool {
        self.claimed.is_none() && self.waiting.is_empty() && self.parked.is_empty()
    }

    /// `None` also where it is due beyond the clock.
    fn head(&self, parked: ParkedHead) -> Option<(Instant, u64)> {
        let waiting = || {
            let (place, due) = self.waiting.first_key_value()?;
            let is_blocked = parked == ParkedHead::Blocks && self.parked.first().is_some_and(|parked| parked < place);
            (!is_blocked).then_some((*place, *due))
        };
        let (place, due) = self.claimed.or_else(waiting)?;
        Some((due?, place))
    }
}

impl Heads {
    /// `part` is what the message at `place` is from now on.
    pub(super) fn set(&mut self, topic: &str, place: u64, part: Part) {
        if !self.topics.contains_key(topic) {
            self.topics.insert(topic.to_owned(), Topic::default());
        }
        let Some(messages) = self.topics.get_mut(topic) else { return };
        let heads = [(ParkedHead::Blocks, &mut self.blocked), (ParkedHead::IsSteppedOver, &mut self.stepped_over)];
        let before = heads.each_ref().map(|(parked, _)| messages.head(*parked));
        messages.set(place, part);
        for ((parked, heads), before) in heads.into_iter().zip(before) {
            if let Some(before) = before {
                heads.remove(&before);
            }
            heads.extend(messages.head(parked));
        }
        if messages.is_empty() {
            self.topics.remove(topic);
        }
    }

    /// Of each topic when the next one may be claimed, and its place: the longest due first.
    pub(super) fn by_due(&self, parked: ParkedHead) -> impl Iterator<Item = (Instant, u64)> {
        let heads = match parked {
            ParkedHead::Blocks => &self.blocked,
            ParkedHead::IsSteppedOver => &self.stepped_over,
        };
        heads.iter().copied()
    }
}
