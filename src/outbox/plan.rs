//! What becomes of a message once its delivery ended. It knows no store, no clock and no future.

use std::time::Duration;

use crate::rules::{Failure, Verdict};

/// What was heard of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// The upstream may have been asked, and this is what the rules say of the result.
    Asked(Verdict),
    /// The service panicked after it was called, or the rules when they judged its result.
    Panicked,
    /// Our own layers rejected it before it was sent, or the service was not ready in time.
    NotSent {
        /// When they may admit it.
        retry_after: Option<Duration>,
    },
    /// It can never be sent: our own layers admit nothing like it, or the request is a mistake of ours.
    Never,
    /// The relay ends, and the upstream was not asked.
    Released,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It is delivered.
    Done,
    /// Set it aside for a person: `attempts` have failed.
    Park { attempts: u32 },
    /// Try again after `retry_after` and the backoff that belongs to `attempts`.
    Retry { attempts: u32, retry_after: Option<Duration> },
    /// Nothing failed: try again after `retry_after`, and leave the upstream alone until then.
    Wait { retry_after: Option<Duration> },
    /// Give it back, as it was.
    Release,
}

/// `attempts` failed before this one. The `max_attempts`-th that fails is the last.
pub(super) const fn plan(heard: Heard, attempts: u32, max_attempts: u32) -> Next {
    let counted = attempts.saturating_add(1);
    match heard {
        Heard::Asked(Verdict::Success) => Next::Done,
        Heard::Asked(Verdict::Declined | Verdict::Failure(Failure { permanent: true, .. })) => {
            Next::Park { attempts: counted }
        }
        Heard::Asked(Verdict::Throttled { retry_after, .. }) | Heard::NotSent { retry_after } => {
            Next::Wait { retry_after }
        }
        Heard::Asked(Verdict::Failure(_) | Verdict::InProgress { .. } | Verdict::Ignored) | Heard::Panicked
            if counted >= max_attempts =>
        {
            Next::Park { attempts: counted }
        }
        Heard::Asked(verdict) => Next::Retry { attempts: counted, retry_after: verdict.retry_after() },
        Heard::Panicked => Next::Retry { attempts: counted, retry_after: None },
        Heard::Never => Next::Park { attempts },
        Heard::Released => Next::Release,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rules::Effect;

    const SOON: Option<Duration> = Some(Duration::from_secs(3));

    fn failure() -> Failure {
        Failure::new(Effect::Unknown)
    }

    #[test]
    fn each_end_of_a_delivery_has_its_row() {
        let rows = [
            (Heard::Asked(Verdict::Success), Next::Done),
            (Heard::Asked(Verdict::Declined), Next::Park { attempts: 3 }),
            (Heard::Asked(Verdict::Failure(failure().permanent())), Next::Park { attempts: 3 }),
            (Heard::Asked(Verdict::Failure(failure())), Next::Retry { attempts: 3, retry_after: None }),
            (
                Heard::Asked(Verdict::Failure(failure().with_retry_after(Duration::from_secs(3)))),
                Next::Retry { attempts: 3, retry_after: SOON },
            ),
            (Heard::Asked(Verdict::in_progress(SOON)), Next::Retry { attempts: 3, retry_after: SOON }),
            (Heard::Asked(Verdict::Ignored), Next::Retry { attempts: 3, retry_after: None }),
            (Heard::Panicked, Next::Retry { attempts: 3, retry_after: None }),
            (Heard::Asked(Verdict::throttled(SOON)), Next::Wait { retry_after: SOON }),
            (Heard::NotSent { retry_after: SOON }, Next::Wait { retry_after: SOON }),
            (Heard::NotSent { retry_after: None }, Next::Wait { retry_after: None }),
            (Heard::Never, Next::Park { attempts: 2 }),
            (Heard::Released, Next::Release),
        ];
        for (heard, next) in rows {
            assert_eq!(plan(heard, 2, 4), next, "{heard:?}");
        }
    }

    fn heard() -> impl Strategy<Value = Heard> {
        let after = || prop::option::of((0..9_u64).prop_map(Duration::from_secs));
        prop_oneof![
            2 => Just(Heard::Asked(Verdict::Success)),
            1 => Just(Heard::Asked(Verdict::Declined)),
            1 => Just(Heard::Asked(Verdict::Failure(failure().permanent()))),
            6 => Just(Heard::Asked(Verdict::Failure(failure()))),
            2 => after().prop_map(|after| Heard::Asked(Verdict::in_progress(after))),
            1 => Just(Heard::Asked(Verdict::Ignored)),
            2 => Just(Heard::Panicked),
            4 => after().prop_map(|after| Heard::Asked(Verdict::throttled(after))),
            8 => after().prop_map(|retry_after| Heard::NotSent { retry_after }),
            1 => Just(Heard::Never),
            3 => Just(Heard::Released),
        ]
    }

    /// Whether the upstream was asked, and did not take it.
    fn counts(heard: Heard) -> bool {
        match heard {
            Heard::Asked(verdict) => !matches!(verdict, Verdict::Success | Verdict::Throttled { .. }),
            Heard::Panicked => true,
            Heard::NotSent { .. } | Heard::Never | Heard::Released => false,
        }
    }

    /// After how many deliveries it ends, in which way, and with how many attempts: all at once, over the whole list.
    fn expected(list: &[Heard], max: usize) -> Option<(usize, bool, usize)> {
        let failed = |deliveries: usize| list[..deliveries].iter().filter(|heard| counts(**heard)).count();
        let is_last = |heard: Heard| match heard {
            Heard::Asked(Verdict::Failure(failure)) => failure.permanent,
            heard => matches!(heard, Heard::Asked(Verdict::Success | Verdict::Declined) | Heard::Never),
        };
        let ends = (1..=list.len()).find(|end| is_last(list[end - 1]) || failed(*end) == max)?;
        Some((ends, list[ends - 1] == Heard::Asked(Verdict::Success), failed(ends)))
    }

    proptest! {
        #[test]
        fn a_message_ends_as_the_whole_list_says(list in prop::collection::vec(heard(), 0..40), max in 1..9_u32) {
            let mut attempts = 0;
            let mut end = None;
            for (place, heard) in list.iter().enumerate() {
                match plan(*heard, attempts, max) {
                    Next::Done => end = Some((place + 1, true, attempts as usize)),
                    Next::Park { attempts } => end = Some((place + 1, false, attempts as usize)),
                    Next::Retry { attempts: counted, .. } => attempts = counted,
                    Next::Wait { .. } | Next::Release => {}
                }
                if end.is_some() {
                    break;
                }
            }
            prop_assert_eq!(end, expected(&list, max as usize));
        }
    }
}
