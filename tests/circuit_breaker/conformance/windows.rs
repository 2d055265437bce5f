//! A scenario of metrics or of a window is done with a window of calls alone.

use serde_json::{Map, Value};
use windbreak::Verdict;
use windbreak::window::{CountWindow, Outcome};

use super::differences::Difference::NoSplitOfSlow;
use super::differences::Met;
use super::numbers::check_number;
use super::reading::{Config, number, steps, verdict_of};

/// The tracker by itself, judged here.
pub(super) fn run_metrics(id: &str, scenario: &Map<String, Value>, config: &Config<'_>, met: &mut Met) {
    let mut window = CountWindow::last(config.count("window_size")).expect("valid");
    let mut rejected = 0;
    for (index, op, args, expect) in steps(scenario) {
        let at = format!("{id}, step {index}, {op}");
        let tally = match op {
            "not_permitted" => {
                rejected += 1;
                window.tally()
            }
            op => window.record(Outcome::new(verdict_of(op, args) != Verdict::Success, false)),
        };
        let judged = tally.calls >= config.count("min_calls") as u64;
        let ratio = tally.failure_ratio().expect("a call was recorded");
        let exceeded = judged && ratio >= config.ratio("failure_rate_threshold");
        for (key, expected) in expect {
            match (key.as_str(), expected.as_str()) {
                ("result", Some("BELOW_MINIMUM_CALLS_THRESHOLD")) => assert!(!judged, "{at}"),
                ("result", Some("BELOW_THRESHOLDS")) => assert!(judged && !exceeded, "{at}"),
                ("threshold_exceeded", _) => assert_eq!(Some(exceeded), expected.as_bool(), "{at}"),
                (key, _) => check_number(&at, key, expected, tally, rejected, met),
            }
        }
    }
}

pub(super) fn run_window(id: &str, scenario: &Map<String, Value>, config: &Config<'_>, met: &mut Met) {
    let mut window = CountWindow::last(config.count("size")).expect("valid");
    for (index, op, args, expect) in steps(scenario) {
        let at = format!("{id}, step {index}, {op}");
        if op == "record" {
            let (failed, slow) = match args[1].as_str() {
                Some("success") => (false, false),
                Some("error") => (true, false),
                Some("slow_success") => (false, true),
                Some("slow_error") => (true, true),
                other => panic!("{at}: {other:?}"),
            };
            window.record(Outcome::new(failed, slow));
        }
        let of_slow = |key| expect.get(key).map_or(0, number);
        for (key, expected) in expect {
            if let "slow_success" | "slow_failed" = key.as_str() {
                met.insert(NoSplitOfSlow);
                assert_eq!(of_slow("slow_success") + of_slow("slow_failed"), window.tally().slow, "{at}");
            } else {
                check_number(&at, key, expected, window.tally(), 0, met);
            }
        }
    }
}
