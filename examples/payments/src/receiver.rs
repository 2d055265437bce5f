//! The rest of the company: it takes events, knows a repeat by its id, and looks whether they come in order.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::domain::Event;

#[derive(Debug)]
pub struct Receiver {
    inside: Mutex<Inside>,
}

#[derive(Debug)]
struct Inside {
    ids: HashSet<String>,
    /// Those that came for the first time, in the order in which they came.
    events: Vec<Event>,
    /// The number of the last event of each order.
    last: HashMap<String, u32>,
    repeats: u64,
    out_of_order: Vec<String>,
    rng: SmallRng,
    fault_ratio: f64,
}

/// How a delivery ends for the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    Well,
    /// 503: it was not taken.
    Busy,
    /// It was taken, and the connection breaks.
    AnswerLost,
    /// It is no event.
    Unreadable,
}

impl Receiver {
    pub fn new(seed: u64, fault_ratio: f64) -> Self {
        Self {
            inside: Mutex::new(Inside {
                ids: HashSet::new(),
                events: Vec::new(),
                last: HashMap::new(),
                repeats: 0,
                out_of_order: Vec::new(),
                rng: SmallRng::seed_from_u64(seed),
                fault_ratio,
            }),
        }
    }

    pub fn receive(&self, id: &str, body: &[u8]) -> Received {
        let mut inside = self.inside();
        let ratio = inside.fault_ratio;
        let is_faulty = inside.rng.random_bool(ratio);
        let is_lost = inside.rng.random_bool(0.5);
        if is_faulty && !is_lost {
            return Received::Busy;
        }
        let Ok(event) = serde_json::from_slice::<Event>(body) else { return Received::Unreadable };
        inside.take(id, event);
        if is_faulty { Received::AnswerLost } else { Received::Well }
    }

    /// The events, each once, in the order in which they came first.
    pub fn events(&self) -> Vec<Event> {
        self.inside().events.clone()
    }

    /// How many deliveries were repeats.
    pub fn repeats(&self) -> u64 {
        self.inside().repeats
    }

    /// Events that came before an earlier one of the same order.
    pub fn out_of_order(&self) -> Vec<String> {
        self.inside().out_of_order.clone()
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn take(&mut self, id: &str, event: Event) {
        if !self.ids.insert(id.to_owned()) {
            self.repeats += 1;
            return;
        }
        let last = self.last.entry(event.order.clone()).or_default();
        if event.number == *last + 1 {
            *last = event.number;
        } else {
            self.out_of_order.push(format!("{id} came after {}#{last}", event.order));
        }
        self.events.push(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(order: &str, number: u32) -> (String, Vec<u8>) {
        let event = Event { format: 1, order: order.to_owned(), number, kind: "placed".to_owned(), cents: 1 };
        (event.id(), serde_json::to_vec(&event).unwrap())
    }

    #[test]
    fn a_repeat_is_known_and_a_gap_is_seen() {
        let receiver = Receiver::new(1, 0.0);
        for (order, number) in [("a", 1), ("b", 1), ("a", 2), ("a", 2), ("b", 3), ("b", 2)] {
            let (id, body) = event(order, number);
            assert_eq!(receiver.receive(&id, &body), Received::Well);
        }
        assert_eq!(receiver.receive("a#3", b"{"), Received::Unreadable);
        assert_eq!((receiver.events().len(), receiver.repeats()), (5, 1));
        assert_eq!(receiver.out_of_order(), ["b#3 came after b#1"]);
    }
}
