//! What opened a circuit, where a rejection finds it without a lock.
//!
//! Written under the circuit's lock. The primitives are std's and not those of `sync`: a rejection that reads the words of
//! two openings at once is no error, so that there is no order for a model checker to find.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::state::State;
use super::step::Transition;

/// How many different words a circuit keeps. Rules have a small set of them; whatever comes later is `_OTHER`.
const MOST: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Causes {
    /// The place of the present one, plus one; zero if there is none.
    current: AtomicUsize,
    /// Made when the circuit first opens, and then filled from the front.
    words: OnceLock<Box<[OnceLock<Arc<str>>; MOST]>>,
}

impl Causes {
    pub(super) fn current(&self) -> Option<Arc<str>> {
        let place = self.current.load(Ordering::Relaxed).checked_sub(1)?;
        self.words.get()?.get(place)?.get().map(Arc::clone)
    }

    /// Keeps the cause until the circuit has closed, or was switched.
    pub(super) fn note(&self, transition: &Transition) {
        let current = match (transition.to, &transition.cause) {
            (State::HalfOpen, _) => return,
            (State::Open, Some(cause)) => self.place_of(cause) + 1,
            _ => 0,
        };
        self.current.store(current, Ordering::Relaxed);
    }

    fn place_of(&self, cause: &str) -> usize {
        let words = self.words.get_or_init(Box::default);
        let (last, others) = words.split_last().expect("there are some");
        let is_it = |word: &OnceLock<Arc<str>>| &**word.get_or_init(|| cause.into()) == cause;
        others.iter().position(is_it).unwrap_or_else(|| {
            last.get_or_init(|| "_OTHER".into());
            MOST - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::Tally;

    fn opened_by(cause: Option<&str>) -> Transition {
        let cause = cause.map(|cause| cause.to_owned().into());
        Transition { from: State::Closed, to: State::Open, tally: Tally::default(), cause }
    }

    #[test]
    fn the_cause_is_kept_until_the_circuit_closes() {
        let causes = Causes::default();
        assert_eq!(causes.current(), None);
        for word in ["503", "timeout", "503"] {
            causes.note(&opened_by(Some(word)));
            assert_eq!(causes.current().as_deref(), Some(word));
            causes.note(&Transition { from: State::Open, to: State::HalfOpen, ..opened_by(None) });
            assert_eq!(causes.current().as_deref(), Some(word));
            causes.note(&Transition { from: State::HalfOpen, to: State::Closed, ..opened_by(None) });
            assert_eq!(causes.current(), None);
        }
        causes.note(&opened_by(None));
        assert_eq!(causes.current(), None);
    }

    #[test]
    fn a_sixteenth_word_is_other() {
        let causes = Causes::default();
        for number in 0..40 {
            let word = number.to_string();
            causes.note(&opened_by(Some(&word)));
            assert_eq!(causes.current().as_deref(), Some(if number < 15 { &*word } else { "_OTHER" }));
        }
    }
}
