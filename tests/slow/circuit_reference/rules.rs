//! A circuit is built with random rules, and the reference goes by the same ones.

use std::time::Duration;

use proptest::prelude::*;
use windbreak::Circuit;
use windbreak::backoff::{Backoff, Jitter};
use windbreak::circuit_breaker::CircuitBuilder;

/// A share, as a fraction: the reference compares by multiplying across and never divides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    part: u32,
    whole: u32,
}

impl Share {
    fn ratio(self) -> f64 {
        f64::from(self.part) / f64::from(self.whole)
    }

    pub(super) fn is_reached_by(self, part: u64, calls: u64) -> bool {
        calls > 0 && part * u64::from(self.whole) >= u64::from(self.part) * calls
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Window {
    Count(usize),
    Time { nanos: u64, buckets: usize },
}

#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) window: Window,
    pub(super) failures: Share,
    pub(super) minimum_calls: u64,
    pub(super) slow: Option<(Duration, Share)>,
    pub(super) first_wait: Duration,
    pub(super) factor: u32,
    pub(super) max_wait: Duration,
    pub(super) probes: u64,
    pub(super) probe_timeout: Duration,
    pub(super) minimum_span: Duration,
    pub(super) abandoned_after: Option<Duration>,
    pub(super) recover_over: Option<Duration>,
}

impl Rules {
    pub(super) fn builder(&self) -> CircuitBuilder {
        let wait = Backoff::exponential(self.first_wait).factor(self.factor.into()).max(self.max_wait);
        let count = |number: u64| usize::try_from(number).expect("a small number");
        let builder = Circuit::builder("upstream")
            .failure_ratio(self.failures.ratio())
            .minimum_calls(count(self.minimum_calls))
            .open_for(wait.jitter(Jitter::None))
            .probes(count(self.probes))
            .probe_timeout(self.probe_timeout)
            .minimum_span(self.minimum_span);
        let builder = match self.window {
            Window::Count(calls) => builder.count_window(calls),
            Window::Time { nanos, buckets } => builder.time_window_with_buckets(Duration::from_nanos(nanos), buckets),
        };
        let builder = match self.abandoned_after {
            Some(duration) => builder.abandoned_after(duration),
            None => builder,
        };
        let builder = match self.recover_over {
            Some(duration) => builder.recover_over(duration),
            None => builder,
        };
        match self.slow {
            Some((threshold, share)) => builder.slow_calls(threshold, share.ratio()),
            None => builder,
        }
    }
}

fn any_share() -> impl Strategy<Value = Share> {
    (1_u32..=12).prop_flat_map(|whole| (1..=whole).prop_map(move |part| Share { part, whole }))
}

/// From a nanosecond to minutes, with round numbers among them so that moments coincide.
pub(super) fn span(number: u32) -> Duration {
    let some = u64::from(number / 4);
    match number % 4 {
        0 => Duration::from_nanos(1 + some % 20),
        1 => Duration::from_millis(1 + some % 20),
        2 => Duration::from_secs(1 + some % 100),
        _ => Duration::from_nanos(1 + some * 101),
    }
}

fn any_span() -> impl Strategy<Value = Duration> {
    any::<u32>().prop_map(span)
}

pub(super) fn any_rules() -> impl Strategy<Value = Rules> {
    let window = prop_oneof![
        (1_usize..40).prop_map(Window::Count),
        (prop_oneof![20_u64..200, 1_000_000_000_u64..60_000_000_000], 1_usize..12)
            .prop_map(|(nanos, buckets)| Window::Time { nanos, buckets }),
    ];
    let wait = (any_span(), 1_u32..=3, any_span());
    let slow = prop::option::of((any_span(), any_share()));
    let probes = (1_u64..8, any_span());
    let minimum_span = prop_oneof![2 => Just(Duration::ZERO), 1 => any_span()];
    let times = (minimum_span, prop::option::of(any_span()), prop::option::of(any_span()));
    (window, any_share(), 1_u64..12, slow, wait, probes, times).prop_map(
        |(window, failures, minimum_calls, slow, (first_wait, factor, further), probes, times)| {
            let (probes, probe_timeout) = probes;
            let (minimum_span, abandoned_after, recover_over) = times;
            let most = if let Window::Count(calls) = window { calls as u64 } else { u64::MAX };
            let minimum_calls = minimum_calls.min(most);
            let max_wait = first_wait + further;
            Rules {
                window,
                failures,
                minimum_calls,
                slow,
                first_wait,
                factor,
                max_wait,
                probes,
                probe_timeout,
                minimum_span,
                abandoned_after,
                recover_over,
            }
        },
    )
}
