//! The numbers of an expectation are checked; all three kinds of scenario have them.

use serde_json::Value;
use windbreak::window::Tally;

use super::differences::Difference::{NoDurations, RatioFromTheFirstCall, RejectionsAreTheCallers};
use super::differences::Met;
use super::reading::number;

/// The part of an expectation that is about numbers; all three kinds of scenario share it.
pub(super) fn check_number(at: &str, key: &str, expected: &Value, tally: Tally, rejected: u64, met: &mut Met) {
    match key {
        "buffered" | "total" => assert_eq!(tally.calls, number(expected), "{at}: {key}"),
        "failed" => assert_eq!(tally.failures, number(expected), "{at}: {key}"),
        "successful" => assert_eq!(tally.calls - tally.failures, number(expected), "{at}: {key}"),
        "slow" => assert_eq!(tally.slow, number(expected), "{at}: {key}"),
        "failure_rate" => check_rate(at, expected, tally.failure_ratio(), met),
        "slow_rate" => check_rate(at, expected, tally.slow_ratio(), met),
        "not_permitted" => {
            met.insert(RejectionsAreTheCallers);
            assert_eq!(rejected, number(expected), "{at}: {key}");
        }
        "total_duration_ms" | "avg_duration_ms" => {
            met.insert(NoDurations);
        }
        other => panic!("{at}: nobody asserts {other}"),
    }
}

fn check_rate(at: &str, expected: &Value, ratio: Option<f64>, met: &mut Met) {
    let expected = expected.as_f64().expect("percent");
    match ratio {
        None => assert!(expected < 0.0, "{at}: {expected} of no calls"),
        Some(ratio) if expected < 0.0 => {
            met.insert(RatioFromTheFirstCall);
            assert!((0.0..=1.0).contains(&ratio), "{at}: {ratio}");
        }
        // Theirs has the precision of an `f32`.
        Some(ratio) => assert!((ratio * 100.0 - expected).abs() < 1e-5, "{at}: {ratio}, not {expected} %"),
    }
}
