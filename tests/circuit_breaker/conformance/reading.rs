//! A scenario is read: its settings, its steps, and the states and outcomes that it names.

use std::time::Duration;

use serde_json::{Map, Value};
use windbreak::backoff::{Backoff, Jitter};
use windbreak::circuit_breaker::State;
use windbreak::{Circuit, Effect, Failure, Verdict};

use super::differences::Difference::MinimumFitsTheWindow;
use super::differences::Met;

pub(super) fn text<'a>(map: &'a Map<String, Value>, key: &str) -> &'a str {
    map[key].as_str().unwrap_or_else(|| panic!("{key} is text"))
}

pub(super) fn millis(value: &Value) -> Duration {
    Duration::from_millis(value.as_u64().expect("milliseconds"))
}

pub(super) fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

pub(super) struct Config<'a> {
    pub(super) given: &'a Map<String, Value>,
    pub(super) defaults: &'a Map<String, Value>,
}

impl Config<'_> {
    fn get(&self, key: &str) -> &Value {
        self.given.get(key).unwrap_or_else(|| &self.defaults[key])
    }

    pub(super) fn count(&self, key: &str) -> usize {
        usize::try_from(number(self.get(key))).expect("a small number")
    }

    pub(super) fn ratio(&self, key: &str) -> f64 {
        self.get(key).as_f64().expect("percent") / 100.0
    }

    pub(super) fn circuit(&self, met: &mut Met) -> Circuit {
        let (size, minimum) = (self.count("window_size"), self.count("min_calls"));
        let wait = match self.given.get("wait_open_exponential").and_then(Value::as_str) {
            Some(growing) => {
                let (initial, factor) = growing.split_once(':').expect("initial:multiplier");
                let initial = Duration::from_millis(initial.parse().expect("milliseconds"));
                Backoff::exponential(initial).factor(factor.parse().expect("a factor")).jitter(Jitter::None)
            }
            None => millis(self.get("wait_open_ms")).into(),
        };
        let probe_timeout = millis(self.get("max_wait_half_open_ms"));
        let builder = Circuit::builder("upstream")
            .failure_ratio(self.ratio("failure_rate_threshold"))
            .slow_calls(millis(self.get("slow_call_duration_ms")), self.ratio("slow_call_rate_threshold"))
            .minimum_calls(minimum)
            .open_for(wait)
            .probes(self.count("permitted_half_open"))
            // They take zero for never.
            .probe_timeout(if probe_timeout.is_zero() { Duration::MAX } else { probe_timeout });
        let builder = match self.get("window_type").as_str() {
            Some("count") => builder.count_window(size),
            // Theirs has a bucket a second.
            Some("time") => builder.time_window_with_buckets(Duration::from_secs(size as u64), size),
            other => panic!("a window of {other:?}"),
        };
        if self.get("window_type") == "count" && minimum > size {
            met.insert(MinimumFitsTheWindow);
            let error = builder.clone().build().expect_err("a minimum beyond the window");
            assert_eq!(error.field(), "minimum_calls");
            return builder.minimum_calls(size).build().expect("valid");
        }
        builder.build().expect("valid")
    }
}

pub(super) fn state_of(name: &str) -> State {
    match name {
        "CLOSED" => State::Closed,
        "OPEN" => State::Open,
        "HALF_OPEN" => State::HalfOpen,
        "FORCED_OPEN" => State::ForcedOpen,
        "METRICS_ONLY" => State::ObserveOnly,
        other => panic!("a state {other}"),
    }
}

pub(super) fn verdict_of(op: &str, args: &[Value]) -> Verdict {
    match (op, args.get(1).and_then(Value::as_str)) {
        ("success", None) => Verdict::Success,
        ("error", Some("failure" | "ban")) => Verdict::Failure(Failure::new(Effect::Unknown)),
        ("error", Some("ignored")) => Verdict::Ignored,
        other => panic!("an outcome {other:?}"),
    }
}

pub(super) fn steps(
    scenario: &Map<String, Value>,
) -> impl Iterator<Item = (usize, &str, &[Value], &Map<String, Value>)> {
    let steps = scenario["steps"].as_array().expect("a list");
    steps.iter().map(|step| step.as_object().expect("an object")).enumerate().map(|(index, step)| {
        let args = step["args"].as_array().expect("a list");
        (index, text(step, "op"), args.as_slice(), step["expect"].as_object().expect("an object"))
    })
}
