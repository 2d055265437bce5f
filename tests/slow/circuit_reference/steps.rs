//! A random history is a list of steps: requests, ends of calls, time that passes, switches and other rules.

use std::time::Duration;

use proptest::prelude::*;
use windbreak::Verdict;

use super::calls::End;
use super::operator::Switch;
use super::rules::span;

#[derive(Debug, Clone, Copy)]
pub(super) enum Span {
    Any(Duration),
    Months(u32),
    RestOfWait,
    SlowThreshold,
    ProbeTimeout,
    HalfProbeTimeout,
    /// The span of failures, the time after which a call is abandoned, the recovery.
    Other(u32),
    Window,
    Bucket,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Acquire {
        through_a_service: bool,
    },
    Finish {
        which: usize,
        end: End,
    },
    /// So long, and a nanosecond less or more.
    Advance(Span, i8),
    Operate(Switch),
    Reconfigure(usize),
    /// A request that is cancelled after half a probe timeout. By itself chance seldom picks the same call twice.
    AcquireAndCancel(i8),
}

/// Decoded from two numbers by hand: a tree of strategies takes ten times as long as all the rest. Removing steps is
/// what shrinks a history well, and that works as ever.
pub(super) fn any_step() -> impl Strategy<Value = Step> {
    (0_u32..1000, any::<u32>()).prop_map(|(kind, number)| match kind {
        0..460 => Step::Acquire { through_a_service: number % 2 == 1 },
        460..880 => Step::Finish { which: (number / 32) as usize, end: any_end(number % 32, number / 1024) },
        880..950 => Step::Advance(any_advance(number / 3), i8::try_from(number % 3).map_or(0, |off| off - 1)),
        950..985 => Step::AcquireAndCancel(i8::try_from(number % 2).unwrap_or_default()),
        985..990 => Step::Reconfigure(number as usize),
        _ => Step::Operate(any_switch(number)),
    })
}

fn any_end(kind: u32, number: u32) -> End {
    End::Says(match kind {
        0..11 => Verdict::Success,
        11..21 => Verdict::UNKNOWN,
        21 if number % 2 == 0 => Verdict::throttled(Some(span(number))),
        21 => Verdict::in_progress(Some(span(number))),
        22 => Verdict::Declined,
        23 => Verdict::Ignored,
        24..31 => return End::IsCancelled,
        _ => return End::Panics,
    })
}

fn any_advance(number: u32) -> Span {
    match number % 40 {
        0..4 => Span::Any(span(number / 40)),
        4 => Span::Months(number / 40 % 12),
        5..24 => Span::RestOfWait,
        24..26 => Span::SlowThreshold,
        26..28 => Span::ProbeTimeout,
        28..34 => Span::HalfProbeTimeout,
        34..37 => Span::Other(number / 40 % 3),
        37 => Span::Window,
        _ => Span::Bucket,
    }
}

fn any_switch(number: u32) -> Switch {
    match number % 12 {
        0 => Switch::ForceOpen,
        1 => Switch::ForceClosed,
        2 => Switch::ObserveOnly,
        3 => Switch::OpenFor(Duration::ZERO),
        4 => Switch::OpenFor(Duration::MAX),
        5 => Switch::OpenFor(span(number / 12)),
        _ => Switch::Reset,
    }
}
