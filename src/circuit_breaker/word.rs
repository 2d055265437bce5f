use tokio::time::Instant;

use super::machine::{Gate, Machine};
use super::state::State;
use super::ticket::{PROBE, Refusal, Ticket};

/// All of a machine that a healthy call needs to know, and one that is refused: the state in three bits, the rest as
/// the state says.
///
/// | state | the rest |
/// |---|---|
/// | closed, observe only | one bit, whether the window holds only successes; then the ticket |
/// | recovering | the same, without the bit |
/// | open | until when, in nanoseconds from an origin; zero if the wait is known to be over |
/// | the others | nothing |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(pub(super) u64);

const KIND: u64 = 0b111;

const CLOSED: u64 = 0;
const OBSERVE_ONLY: u64 = 1;
const OPEN: u64 = 2;
const HALF_OPEN: u64 = 3;
const FORCED_OPEN: u64 = 4;
const FORCED_CLOSED: u64 = 5;
const RECOVERING: u64 = 6;

const ALL_SUCCESS: u64 = 0b1000;
const TICKET_SHIFT: u32 = 4;
const _: () = assert!(PROBE == 1 << (u64::BITS - TICKET_SHIFT), "the mark of a probe is just above the tickets");

const UNTIL_SHIFT: u32 = 3;
/// 73 years after the origin: later than anyone waits, so it stands for never.
const NEVER: u64 = u64::MAX >> UNTIL_SHIFT;

/// How a service gets ready, by the word alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readiness {
    /// The inner service is asked.
    Ask,
    /// The call will be rejected, or will ask the inner service itself.
    Reject,
    /// The machine knows.
    Unknown,
}

impl Word {
    pub(super) fn of(machine: &Machine, origin: Instant) -> Self {
        let kind = match machine.state() {
            State::Closed => CLOSED,
            State::ObserveOnly => OBSERVE_ONLY,
            State::Open => OPEN,
            State::HalfOpen => HALF_OPEN,
            State::ForcedOpen => FORCED_OPEN,
            State::ForcedClosed => FORCED_CLOSED,
            State::Recovering => RECOVERING,
        };
        let rest = match machine.gate() {
            Gate::Pass { ticket, all_success } => ticket << TICKET_SHIFT | if all_success { ALL_SUCCESS } else { 0 },
            Gate::Draw { ticket } => ticket << TICKET_SHIFT,
            Gate::RejectUntil(until) => {
                let nanos = until.map_or(u128::MAX, |until| until.saturating_duration_since(origin).as_nanos());
                u64::try_from(nanos).unwrap_or(NEVER).min(NEVER) << UNTIL_SHIFT
            }
            Gate::Due | Gate::Ask => 0,
        };
        Self(kind | rest)
    }

    pub(super) fn state(self) -> State {
        match self.0 & KIND {
            CLOSED => State::Closed,
            OBSERVE_ONLY => State::ObserveOnly,
            OPEN => State::Open,
            FORCED_OPEN => State::ForcedOpen,
            FORCED_CLOSED => State::ForcedClosed,
            RECOVERING => State::Recovering,
            _ => State::HalfOpen,
        }
    }

    /// The ticket of an admission, if everything passes and is recorded: the one question of a healthy call.
    #[inline]
    pub(super) fn pass(self) -> Option<Ticket> {
        (self.0 & KIND <= OBSERVE_ONLY).then_some(self.0 >> TICKET_SHIFT)
    }

    /// Whether the inner service is asked before the circuit. Reads no clock: an open wait that may be over is looked at
    /// by the call.
    #[inline]
    pub(super) fn readiness(self) -> Readiness {
        match self.0 & KIND {
            OPEN if self.0 >> UNTIL_SHIFT != 0 => Readiness::Reject,
            FORCED_OPEN => Readiness::Reject,
            HALF_OPEN => Readiness::Unknown,
            _ => Readiness::Ask,
        }
    }

    /// Whether some probe may be in flight.
    #[inline]
    pub(super) fn is_half_open(self) -> bool {
        self.0 & KIND == HALF_OPEN
    }

    /// Why a request is refused now, where the word alone can tell.
    #[inline]
    pub(super) fn refusal(self, origin: Instant) -> Option<Refusal> {
        match self.0 & KIND {
            OPEN if self.0 >> UNTIL_SHIFT != NEVER => {
                let elapsed = origin.elapsed();
                let elapsed =
                    elapsed.as_secs().saturating_mul(1_000_000_000).saturating_add(elapsed.subsec_nanos().into());
                Refusal::for_nanos((self.0 >> UNTIL_SHIFT).saturating_sub(elapsed))
            }
            OPEN | FORCED_OPEN => Some(Refusal::UNKNOWN),
            _ => None,
        }
    }

    /// Whether a success with this ticket changes nothing.
    #[inline]
    pub(super) fn absorbs_success(self, ticket: Ticket) -> bool {
        self.0 & !OBSERVE_ONLY == ticket << TICKET_SHIFT | ALL_SUCCESS
    }

    /// Whether a result with this ticket may still count.
    pub(super) fn may_count(self, ticket: Ticket) -> bool {
        match self.0 & KIND {
            CLOSED | OBSERVE_ONLY | RECOVERING => self.0 >> TICKET_SHIFT == ticket,
            HALF_OPEN => ticket & PROBE != 0,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
