//! The reference and two circuits walk side by side, and are compared after each step.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use windbreak::Rejection;
use windbreak::circuit_breaker::State;

use super::calls::{Call, End};
use super::reference::Reference;
use super::rules::{Rules, Window};
use super::steps::{Span, Step};
use super::subject::Subject;

const NANOSECOND: Duration = Duration::from_nanos(1);
const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Two circuits walk beside the reference: one is looked at after each step, the other only through its answers,
/// because looking brings a circuit up to date.
pub(super) struct Walk {
    pub(super) reference: Reference,
    calls: Vec<Call>,
    pub(super) watched: Subject,
    pub(super) left_alone: Subject,
    /// What they may be reconfigured to.
    rules: Vec<Rules>,
}

impl Walk {
    pub(super) fn new(rules: Vec<Rules>) -> Self {
        Self {
            reference: Reference::new(rules[0].clone()),
            calls: Vec::new(),
            watched: Subject::new(&rules[0]),
            left_alone: Subject::new(&rules[0]),
            rules,
        }
    }

    fn subjects(&mut self) -> [&mut Subject; 2] {
        [&mut self.watched, &mut self.left_alone]
    }

    pub(super) async fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        if let Step::AcquireAndCancel(off) = step {
            let calls = self.calls.len();
            self.take_one(Step::Acquire { through_a_service: off > 0 }).await?;
            self.take_one(Step::Advance(Span::HalfProbeTimeout, off)).await?;
            if self.calls.len() > calls {
                self.take_one(Step::Finish { which: calls, end: End::IsCancelled }).await?;
            }
            return Ok(());
        }
        self.take_one(step).await
    }

    async fn take_one(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::AcquireAndCancel(_) => {}
            Step::Acquire { through_a_service } => {
                let expected = self.reference.acquire();
                let recovers = self.reference.state == State::Recovering;
                for subject in self.subjects() {
                    if recovers {
                        subject.acquire_at_last(through_a_service);
                        continue;
                    }
                    match (subject.acquire(through_a_service), &expected) {
                        (Ok(()), Ok(_)) => {}
                        (Err(Rejection::CircuitOpen { retry_after, .. }), Err(expected)) => {
                            prop_assert_eq!(retry_after, *expected);
                        }
                        (got, expected) => prop_assert!(false, "{got:?} instead of {expected:?}"),
                    }
                }
                self.calls.extend(expected);
            }
            Step::Finish { which, end } => {
                if !self.calls.is_empty() {
                    let which = which % self.calls.len();
                    self.reference.finish(self.calls.swap_remove(which), end);
                    for subject in self.subjects() {
                        subject.held.swap_remove(which).finish(end);
                    }
                }
            }
            Step::Advance(span, off) => {
                let by = self.length_of(span);
                let by = if off < 0 { by.saturating_sub(NANOSECOND) } else { by };
                let by = if off > 0 { by + NANOSECOND } else { by };
                self.reference.now += by;
                tokio::time::advance(by).await;
            }
            Step::Reconfigure(which) => {
                let rules = self.rules[which % self.rules.len()].clone();
                self.reference.saw("reconfigured");
                self.reference.reconfigure(rules.clone());
                for subject in self.subjects() {
                    subject.circuit.reconfigure(|_| rules.builder()).expect("the rules are valid");
                }
            }
            Step::Operate(switch) => {
                self.reference.operate(switch);
                for subject in self.subjects() {
                    subject.operate(switch);
                }
            }
        }
        self.compare()
    }

    fn length_of(&self, span: Span) -> Duration {
        let rules = &self.reference.rules;
        match (span, rules.window) {
            (Span::Any(span), _) => span,
            (Span::Months(months), _) => MONTH * months,
            (Span::RestOfWait, _) => {
                let until = self.reference.open_until.filter(|_| self.reference.state == State::Open);
                until.map_or(Duration::ZERO, |until| until.saturating_sub(self.reference.now))
            }
            (Span::SlowThreshold, _) => rules.slow.map_or(Duration::ZERO, |(threshold, _)| threshold),
            (Span::ProbeTimeout, _) => rules.probe_timeout,
            (Span::HalfProbeTimeout, _) => rules.probe_timeout / 2,
            (Span::Other(which), _) => match which {
                0 => rules.minimum_span,
                1 => rules.abandoned_after.unwrap_or_default(),
                _ => rules.recover_over.unwrap_or_default(),
            },
            (Span::Window | Span::Bucket, Window::Count(_)) => Duration::ZERO,
            (Span::Window, Window::Time { nanos, .. }) => Duration::from_nanos(nanos),
            (Span::Bucket, Window::Time { nanos, buckets }) => Duration::from_nanos(nanos / buckets as u64),
        }
    }

    pub(super) fn compare(&mut self) -> Result<(), TestCaseError> {
        let Self { reference, watched, left_alone, .. } = self;
        let expected = reference.tally();
        let snapshot = watched.circuit.snapshot();
        prop_assert_eq!((snapshot.state, snapshot.tally), (reference.state, expected));
        for (ratio, part) in [(expected.failure_ratio(), expected.failures), (expected.slow_ratio(), expected.slow)] {
            // Found by multiplying back, not by the same division.
            let back = ratio.map(|ratio| (ratio * as_f64(expected.calls)).round());
            prop_assert_eq!(back, (expected.calls > 0).then(|| as_f64(part)));
        }
        for subject in [watched, left_alone] {
            prop_assert_eq!(subject.circuit.state(), reference.state);
            prop_assert_eq!(subject.states.state(), reference.state);
        }
        Ok(())
    }
}

fn as_f64(number: u64) -> f64 {
    f64::from(u32::try_from(number).expect("a history is short"))
}
