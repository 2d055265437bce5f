use rand::SeedableRng as _;
use rand::rngs::SmallRng;

use super::model::{Attempt, Outcome, Step};

/// The only attempt of the request of the same number.
pub(super) fn attempt(n: u64) -> Attempt {
    Attempt { ticket: n, request: n }
}

/// The generator that all tests draw from.
pub(super) fn rng() -> SmallRng {
    SmallRng::seed_from_u64(7)
}

/// The outcome that is already settled.
#[track_caller]
pub(super) fn outcome(step: Step) -> Outcome {
    match step {
        Step::Reply { reply, .. } => reply.outcome,
        other => panic!("{other:?} settles nothing"),
    }
}
