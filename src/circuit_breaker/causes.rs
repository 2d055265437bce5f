//! What opened a circuit, where a rejection finds it without a lock.
//!
//! Written under the circuit's lock. The primitives are std's and not those of `sync`: a rejection that reads the words of
//! two openings at once is no error, so that there is no order for a model checker to find.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use super::state::State;
use super::step::Step;

/// How many different words a circuit keeps. Rules have a small set of them; whatever comes later is `_OTHER`.
const MOST: usize = 16;

/// Stands for no word. Every other number is a place, plus one.
const NONE: u8 = 0;

#[derive(Debug, Default)]
pub(super) struct Causes {
    /// The word for the last failure.
    last: AtomicU8,
    /// The word for the failure that opened the circuit.
    current: AtomicU8,
    /// Made at the first failure, and then filled from the front.
    words: OnceLock<Box<[OnceLock<Arc<str>>; MOST]>>,
}

impl Causes {
    pub(super) fn current(&self) -> Option<Arc<str>> {
        let place = self.current.load(Ordering::Relaxed).checked_sub(1)?;
        self.words.get()?.get(usize::from(place))?.get().map(Arc::clone)
    }

    /// Keeps what failed in this step. What opened the circuit is kept until it has closed, or was switched.
    pub(super) fn note(&self, step: &Step) {
        if let Some(failed) = &step.failed {
            // Rules that have no word for it say `_OTHER`, which says nothing.
            let word = failed.as_deref().filter(|word| *word != "_OTHER");
            self.last.store(word.map_or(NONE, |word| self.number_of(word)), Ordering::Relaxed);
        }
        for transition in &step.transitions {
            match transition.to {
                State::HalfOpen => {}
                State::Open if !transition.is_forced => {
                    self.current.store(self.last.load(Ordering::Relaxed), Ordering::Relaxed);
                }
                _ => {
                    self.last.store(NONE, Ordering::Relaxed);
                    self.current.store(NONE, Ordering::Relaxed);
                }
            }
        }
    }

    fn number_of(&self, failed: &str) -> u8 {
        let words = self.words.get_or_init(Box::default);
        let (last, others) = words.split_last().expect("there are some");
        let is_it = |word: &OnceLock<Arc<str>>| &**word.get_or_init(|| failed.into()) == failed;
        let place = others.iter().position(is_it).unwrap_or_else(|| {
            last.get_or_init(|| "_OTHER".into());
            others.len()
        });
        u8::try_from(place).map_or(NONE, |place| place + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit_breaker::step::{Now, Transition};
    use crate::window::Tally;

    fn step(failed: Option<&str>, from: State, to: State) -> Step {
        let transition = Transition { from, to, tally: Tally::default(), is_forced: false };
        let failed = failed.map(|failed| Some(failed.to_owned().into()));
        Step { transitions: vec![transition], failed, ..Step::at(Now::default()) }
    }

    #[test]
    fn what_has_no_word_is_no_cause() {
        let causes = Causes::default();
        causes.note(&step(Some("_OTHER"), State::Closed, State::Open));
        assert_eq!(causes.current(), None);
    }

    #[test]
    fn the_cause_is_kept_until_the_circuit_closes() {
        let causes = Causes::default();
        assert_eq!(causes.current(), None);
        for word in ["503", "timeout", "503"] {
            causes.note(&step(Some(word), State::Closed, State::Open));
            assert_eq!(causes.current().as_deref(), Some(word));
            causes.note(&step(None, State::Open, State::HalfOpen));
            assert_eq!(causes.current().as_deref(), Some(word));
            causes.note(&step(None, State::HalfOpen, State::Closed));
            assert_eq!(causes.current(), None);
        }
        causes.note(&step(None, State::Closed, State::Open));
        assert_eq!(causes.current(), None, "what failed before it closed is forgotten");
    }

    #[test]
    fn a_sixteenth_word_is_other() {
        let causes = Causes::default();
        for number in 0..40 {
            let word = number.to_string();
            causes.note(&step(Some(&word), State::Closed, State::Open));
            assert_eq!(causes.current().as_deref(), Some(if number < 15 { &*word } else { "_OTHER" }));
        }
    }
}
