//! Who waits, in the order they came.
//!
//! The first in the queue is handed its turn at the moment at which it can pass, by whoever looks at the queue then:
//! itself, one behind it, or a newcomer. A turn sets its cost aside; nothing passes before its owner is polled, and only
//! then is it paid for. So what passes in any span is what the rate allows, also where a program stalls and then polls
//! all who wait at once.
//!
//! One that is not polled holds nobody up for ever: a turn that is not taken up lapses when its cost would have come
//! back. Its owner is absent from then on, and first in the queue again once it is polled.
//!
//! No lock, no clock, no waking: wakers are collected, and woken by the caller once the lock is gone.

use std::collections::BTreeMap;
use std::task::Waker;

use super::gcra::{Gcra, NEVER, Nanos, Refusal};

/// The shortest time for which a turn is kept: a task that was woken is polled within it, unless the program is busy.
const TURN_KEPT: Nanos = 1_000_000;

#[derive(Debug)]
pub(super) struct Queue {
    pub(super) gcra: Gcra,
    /// The theoretical arrival time. Brought along by whoever has the lock.
    pub(super) tat: Nanos,
    pub(super) wakers: Vec<Waker>,
    paused_until: Nanos,
    waiting: BTreeMap<u64, Waiter>,
    turns: BTreeMap<u64, Turn>,
    /// What those cost whose turn has lapsed.
    absent: BTreeMap<u64, u32>,
    /// What all turns cost.
    held: u64,
    /// The number of the next one who comes.
    next: u64,
    /// What all have cost who are no longer waiting. Costs are summed up modulo 2^64.
    gone: u64,
}

#[derive(Debug)]
struct Waiter {
    cost: u32,
    /// `gone`, and what all cost up to this one.
    end: u64,
    /// For when its timer is set, as of when it was last polled.
    timer: Nanos,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Turn {
    cost: u32,
    lapses: Nanos,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    Passed,
    /// It waits, by this number.
    Waits(u64),
    Refused(Refusal),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    Passed,
    /// Before this moment nothing changes for it, unless it is woken.
    Waits(Nanos),
    /// It is no longer in the queue.
    Refused(Refusal),
}

impl Queue {
    pub(super) const fn new(gcra: Gcra) -> Self {
        Self {
            gcra,
            tat: 0,
            wakers: Vec::new(),
            paused_until: 0,
            waiting: BTreeMap::new(),
            turns: BTreeMap::new(),
            absent: BTreeMap::new(),
            held: 0,
            next: 0,
            gone: 0,
        }
    }

    /// Whether whoever comes must ask here, because the theoretical arrival time does not tell all.
    pub(super) fn must_be_asked(&self, now: Nanos) -> bool {
        now < self.paused_until || !self.waiting.is_empty() || !self.turns.is_empty()
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn available(&mut self, now: Nanos) -> u32 {
        self.serve(now);
        if now < self.paused_until || !self.waiting.is_empty() {
            return 0;
        }
        let held = u32::try_from(self.held).unwrap_or(u32::MAX);
        self.gcra.available(self.tat, now).saturating_sub(held)
    }

    /// Passes, joins the queue, or is refused: if its turn would come after `last_start`, or as many wait as may.
    pub(super) fn arrive(&mut self, cost: u32, now: Nanos, last_start: Nanos, max_waiting: usize) -> Arrival {
        self.serve(now);
        if !self.gcra.fits(cost) {
            return Arrival::Refused(Refusal::TooDear);
        }
        if self.waiting.is_empty() && self.has_room(cost, now) {
            self.pay(cost, now);
            return Arrival::Passed;
        }
        let costs = self.held + self.end().wrapping_sub(self.gone) + u64::from(cost);
        let at = self.gcra.last_of(self.tat, now.max(self.paused_until), costs);
        if at > last_start || self.waiting.len() >= max_waiting {
            return Arrival::Refused(Refusal::Until(at));
        }
        let number = self.next;
        self.next += 1;
        self.insert(number, cost);
        Arrival::Waits(number)
    }

    /// What one that waits is told when it is polled. Its waker is exchanged for the one from before.
    pub(super) fn look(&mut self, number: u64, now: Nanos, last_start: Nanos, waker: &mut Option<Waker>) -> Look {
        self.lapse(now);
        if let Some(cost) = self.absent.remove(&number) {
            self.insert(number, cost);
        }
        // It is awake: nobody need wake it.
        let before = self.waiting.get_mut(&number).and_then(|waiter| waiter.waker.take());
        self.serve(now);
        let look = if self.take_turn(number, now) {
            Look::Passed
        } else if let Some(waiter) = self.waiting.get(&number) {
            let at = self.turn_of(waiter, now);
            // Whoever was handed a turn before it may take it up, or leave, at any moment until it lapses.
            if self.earliest(waiter, now) > last_start {
                Look::Refused(Refusal::Until(at))
            } else {
                Look::Waits(at.min(self.takes_over(number, now)).min(last_start.saturating_add(1)))
            }
        } else {
            Look::Refused(Refusal::TooDear)
        };
        match look {
            Look::Waits(at) => {
                if let Some(waiter) = self.waiting.get_mut(&number) {
                    (waiter.timer, waiter.waker) = (at, waker.take());
                }
            }
            Look::Refused(_) => drop(self.leave(number, now)),
            // What was set aside for it may be in nobody's way any more.
            Look::Passed => self.serve(now),
        }
        *waker = before;
        look
    }

    /// One that waits is gone, wherever it stands. Gives back its waker.
    pub(super) fn leave(&mut self, number: u64, now: Nanos) -> Option<Waker> {
        let mut waker = None;
        if let Some(turn) = self.turns.remove(&number) {
            self.held -= u64::from(turn.cost);
        } else if let Some(waiter) = self.remove(number) {
            waker = waiter.waker;
            // Also if the first is not polled, the one behind can go earlier.
            let behind = self.waiting.range(number..).next().map(|(&behind, _)| behind);
            self.wake_if_late(behind, now);
        } else {
            self.absent.remove(&number);
        }
        self.serve(now);
        waker
    }

    /// Lets nothing pass before `until`.
    pub(super) fn pause(&mut self, until: Nanos) {
        if until > self.paused_until {
            self.paused_until = until.min(NEVER);
            self.revoke_turns();
        }
    }

    /// Leaves at most `left` to pass now.
    pub(super) fn lower(&mut self, left: u32, now: Nanos) {
        self.tat = self.gcra.lower(self.tat, now, left);
    }

    /// Goes on at another rate. What is outstanding stays so; who no longer fits is refused when it looks.
    pub(super) fn set(&mut self, gcra: Gcra, now: Nanos) {
        self.revoke_turns();
        self.tat = gcra.convert(self.gcra, self.tat, now);
        self.gcra = gcra;
        let too_dear = self.waiting.iter().filter(|(_, waiter)| !gcra.fits(waiter.cost)).map(|(&number, _)| number);
        for number in too_dear.collect::<Vec<_>>() {
            let waker = self.remove(number).and_then(|waiter| waiter.waker);
            self.wakers.extend(waker);
        }
        self.absent.retain(|_, &mut cost| gcra.fits(cost));
        // They all wait for another moment now, and some perhaps for longer than they may.
        self.wakers.extend(self.waiting.values_mut().filter_map(|waiter| waiter.waker.take()));
        self.serve(now);
    }

    /// Hands out the turns that have come.
    fn serve(&mut self, now: Nanos) {
        self.lapse(now);
        while let Some(first) = self.waiting.values().next() {
            if !self.has_room(first.cost, now) {
                break;
            }
            let Some((number, first)) = self.waiting.pop_first() else { break };
            self.gone = first.end;
            self.held += u64::from(first.cost);
            self.wakers.extend(first.waker);
            let kept = self.gcra.price(first.cost.into()).max(TURN_KEPT);
            self.turns.insert(number, Turn { cost: first.cost, lapses: now.saturating_add(kept) });
        }
        // Whoever is first now must not sleep longer than it has to: nobody else need look at the queue.
        let first = self.waiting.keys().next().copied();
        self.wake_if_late(first, now);
    }

    /// Lets go of the turns that were not taken up in time.
    fn lapse(&mut self, now: Nanos) {
        let lapsed = self.turns.iter().filter(|(_, turn)| turn.lapses <= now).map(|(&number, _)| number);
        for number in lapsed.collect::<Vec<_>>() {
            if let Some(turn) = self.turns.remove(&number) {
                self.held -= u64::from(turn.cost);
                self.absent.insert(number, turn.cost);
            }
        }
    }

    /// Takes up a turn, if it was handed out.
    fn take_turn(&mut self, number: u64, now: Nanos) -> bool {
        let Some(turn) = self.turns.remove(&number) else { return false };
        self.held -= u64::from(turn.cost);
        let passes = self.pay(turn.cost, now);
        if !passes {
            // What was set aside for it is gone: the limit was lowered.
            self.insert(number, turn.cost);
        }
        passes
    }

    /// Puts those who were handed a turn and have not taken it up back to where they were in the queue.
    fn revoke_turns(&mut self) {
        self.held = 0;
        for (number, turn) in std::mem::take(&mut self.turns) {
            self.insert(number, turn.cost);
        }
    }

    /// Whether `cost` can pass beside all that is set aside.
    fn has_room(&self, cost: u32, now: Nanos) -> bool {
        now >= self.paused_until && self.gcra.pass(self.tat, now, self.held + u64::from(cost)).is_ok()
    }

    fn pay(&mut self, cost: u32, now: Nanos) -> bool {
        let tat = self.gcra.pass(self.tat, now, cost.into());
        self.tat = tat.unwrap_or(self.tat);
        tat.is_ok()
    }

    /// The earliest moment at which one that waits can have its turn, if nothing is set aside any more.
    fn earliest(&self, waiter: &Waiter, now: Nanos) -> Nanos {
        let costs = waiter.end.wrapping_sub(self.gone);
        self.gcra.last_of(self.tat, now.max(self.paused_until), costs).max(now)
    }

    /// The moment at which one that waits has its turn, if nobody takes up or leaves what is set aside.
    fn turn_of(&self, waiter: &Waiter, now: Nanos) -> Nanos {
        let at = self.earliest(waiter, now);
        if at > now {
            return at;
        }
        // Only what is set aside for others is in its way, and for no longer than this.
        self.next_lapse().unwrap_or(at)
    }

    fn next_lapse(&self) -> Option<Nanos> {
        self.turns.values().map(|turn| turn.lapses.min(NEVER)).min()
    }

    /// When one that waits has to look after the queue, because nobody before it does: the first is not polled, or does
    /// not take up its turn.
    fn takes_over(&self, number: u64, now: Nanos) -> Nanos {
        let lapse = self.next_lapse();
        lapse.unwrap_or_else(|| match self.waiting.first_key_value() {
            Some((&first, waiter)) if first != number && (waiter.waker.is_none() || waiter.timer <= now) => {
                self.turn_of(waiter, now)
            }
            _ => NEVER,
        })
    }

    /// What all cost up to the last who waits.
    fn end(&self) -> u64 {
        self.waiting.values().next_back().map_or(self.gone, |last| last.end)
    }

    fn insert(&mut self, number: u64, cost: u32) {
        let before = self.waiting.range(..number).next_back().map_or(self.gone, |(_, before)| before.end);
        for (_, behind) in self.waiting.range_mut(number..) {
            behind.end = behind.end.wrapping_add(cost.into());
        }
        let end = before.wrapping_add(cost.into());
        self.waiting.insert(number, Waiter { cost, end, timer: NEVER, waker: None });
    }

    fn remove(&mut self, number: u64) -> Option<Waiter> {
        let waiter = self.waiting.remove(&number)?;
        for (_, behind) in self.waiting.range_mut(number..) {
            behind.end = behind.end.wrapping_sub(waiter.cost.into());
        }
        Some(waiter)
    }

    fn wake_if_late(&mut self, number: Option<u64>, now: Nanos) {
        let Some(waiter) = number.and_then(|number| self.waiting.get(&number)) else { return };
        if self.turn_of(waiter, now) < waiter.timer {
            let waker = number.and_then(|number| self.waiting.get_mut(&number)?.waker.take());
            self.wakers.extend(waker);
        }
    }
}

#[cfg(test)]
mod tests;
