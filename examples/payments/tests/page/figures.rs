//! What the page must show of a status, computed from the JSON in a way of its own.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::browser::Browser;

/// Waits until every figure of the page is that of the service's status. Once nothing moves that is soon; a figure that is
/// wrong stays so.
pub async fn agree(browser: &mut Browser, client: &reqwest::Client, service: &str) {
    let begin = Instant::now();
    loop {
        let response = client.get(format!("{service}/status")).send().await.expect("a response");
        let status: Value = serde_json::from_slice(&response.bytes().await.expect("a body")).expect("JSON");
        let figures = browser.figures().await;
        assert!(figures.len() >= 35, "{} figures", figures.len());
        let mut wrong = Vec::new();
        for (path, figure) in &figures {
            let (text, label) = (expected(&status, path, &figure.format), label(&status, path));
            if (&text, &label) != (&figure.text, &figure.label) {
                wrong.push(format!("{path} is {text:?} as {label:?}, and the page shows {figure:?}"));
            }
        }
        if wrong.is_empty() {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{wrong:#?}");
        sleep(Duration::from_millis(100)).await;
    }
}

/// What a person must read beside it.
fn label(status: &Value, path: &str) -> String {
    let keys: Vec<&str> = path.split('.').collect();
    match keys.as_slice() {
        ["orders", "*"] => String::new(),
        ["orders", state] => (*state).to_owned(),
        ["providers", side, "counts", count] => {
            let title = match *count {
                "cents" => "amount",
                "calls" => "requests",
                other => other,
            };
            let column = if *side == "*" { "both".into() } else { at(status, &format!("providers.{side}.name")) };
            format!("{title} / {}", column.as_str().expect("a name"))
        }
        ["providers", _, "failure_ratio"] => "failing".to_owned(),
        ["providers", _, "in_flight"] => "in flight".to_owned(),
        ["providers", _, "moved_on"] => "sent on to the other".to_owned(),
        ["events", _, "events"] => "delivered".to_owned(),
        ["events", _, "repeats"] => "came again, and were known".to_owned(),
        ["events", _, "out_of_order"] => "out of order".to_owned(),
        ["quotas", index, column @ ("used" | "most")] => {
            let customer = at(status, &format!("quotas.{index}.customer"));
            let column = if *column == "most" { "of" } else { *column };
            format!("{} / {column}", customer.as_str().expect("a name"))
        }
        _ => String::new(),
    }
}

fn expected(status: &Value, path: &str, format: &str) -> String {
    let found = match path.split_once(".*") {
        None => at(status, path),
        Some((list, rest)) => sum(at(status, list), rest.trim_start_matches('.')),
    };
    match (found, format) {
        // A state that no order is in is not in the status.
        (Value::Null, _) if path.starts_with("orders.") => "0".to_owned(),
        (Value::Null, _) => "–".to_owned(),
        (Value::Number(number), "percent") => format!("{:.0} %", number.as_f64().expect("a ratio") * 100.0),
        (Value::Number(number), "money") => {
            let cents = number.as_u64().expect("cents");
            format!("{}.{:02}", thousands(cents / 100), cents % 100)
        }
        (Value::Number(number), _) => thousands(number.as_u64().expect("a count")),
        (Value::String(text), "words") => text.replace('_', " "),
        (Value::String(text), _) => text,
        (other, _) => panic!("{path} is {other}"),
    }
}

fn at(json: &Value, path: &str) -> Value {
    match path.strip_suffix(".length") {
        Some(list) => at(json, list).as_array().map_or(Value::Null, |list| list.len().into()),
        None => json.pointer(&format!("/{}", path.replace('.', "/"))).cloned().unwrap_or_default(),
    }
}

fn sum(list: Value, rest: &str) -> Value {
    let parts: Vec<Value> = match list {
        Value::Array(list) => list,
        Value::Object(map) => map.into_iter().map(|(_, value)| value).collect(),
        other => panic!("{other} has no parts"),
    };
    let counts: Option<Vec<u64>> =
        parts.iter().map(|part| if rest.is_empty() { part.as_u64() } else { at(part, rest).as_u64() }).collect();
    counts.map_or(Value::Null, |counts| counts.iter().sum::<u64>().into())
}

fn thousands(number: u64) -> String {
    if number < 1_000 { number.to_string() } else { format!("{},{:03}", thousands(number / 1_000), number % 1_000) }
}
