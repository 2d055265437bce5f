//! `scenarios/breaker.json`: what a mature breaker (resilience4j) does, recorded as facts. We do the same, or differ
//! on purpose. Every expectation of every step is met as it stands there, or is one of the [`differences`], and then
//! what we do instead is asserted in its place.

mod breaker;
mod differences;
mod numbers;
mod reading;
mod windows;

use serde_json::Value;

use breaker::run_breaker;
use differences::Difference::{
    DecidesEarly, EndsOnTheNextRequest, EventsAreTransitions, MinimumFitsTheWindow, NoBan, NoDurations, NoSplitOfSlow,
    OpenShowsItsCalls, RatioFromTheFirstCall, RejectionsAreTheCallers,
};
use differences::{Met, OURS};
use reading::{Config, text};
use windows::{run_metrics, run_window};

#[tokio::test(start_paused = true)]
async fn every_step_is_as_theirs_or_differs_as_listed() {
    let file: Value = serde_json::from_str(include_str!("scenarios/breaker.json")).expect("JSON");
    let defaults = file["meta"]["defaults"].as_object().expect("an object");
    let scenarios = file["scenarios"].as_array().expect("a list");
    assert_eq!(scenarios.len(), 17);

    let (mut met, mut differing) = (Met::new(), 0);
    for scenario in scenarios {
        let scenario = scenario.as_object().expect("an object");
        let config = Config { given: scenario["config"].as_object().expect("an object"), defaults };
        let id = text(scenario, "id");
        match text(scenario, "kind") {
            "breaker" => differing += run_breaker(id, scenario, &config, &mut met).await,
            "metrics" => run_metrics(id, scenario, &config, &mut met),
            "window" => run_window(id, scenario, &config, &mut met),
            other => panic!("{id}: a {other}"),
        }
    }
    assert_eq!(differing, OURS.len(), "each step that is listed is there");
    let listed = [
        DecidesEarly,
        OpenShowsItsCalls,
        EndsOnTheNextRequest,
        RatioFromTheFirstCall,
        MinimumFitsTheWindow,
        RejectionsAreTheCallers,
        EventsAreTransitions,
        NoBan,
        NoDurations,
        NoSplitOfSlow,
    ];
    assert_eq!(met, Met::from(listed), "each difference in the table is met somewhere");
}
