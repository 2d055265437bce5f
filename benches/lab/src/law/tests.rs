use super::*;
use crate::figures::OutageFigures;
use crate::scenario;

/// A row of the first scenario of the family, with figures that keep the law: `change` breaks it.
fn clauses_broken(family: Family, change: impl FnOnce(&mut Figures, &mut Figures)) -> Vec<&'static str> {
    let is_it =
        |s: &Scenario| s.family == family && s.rate == Some(100) && s.outage.is_none_or(|o| o.1.as_secs() == 60);
    let scenario = scenario::all().into_iter().find(is_it).expect("there is one");
    let outage = scenario.outage.map(|_| OutageFigures {
        detected: 1,
        detection: 1.0,
        seconds: 59.0,
        requests: 5900.0,
        attempts: 590.0,
        told_late: 590.0,
        last_failure: 16.0,
    });
    let good = Figures {
        runs: 1,
        requests: 1000.0,
        well: 980.0,
        repeatable_well: 882.0,
        attempts: 1200.0,
        most_waiting: 364,
        most_in_flight: 64,
        outage,
        ..Figures::default()
    };
    let (mut naive, mut ours) = (good.clone(), good.clone());
    change(&mut naive, &mut ours);
    let bare = Figures { well: 1000.0, ..good };
    let row = Row { scenario, figures: vec![(Setup::Bare, bare), (Setup::Naive, naive), (Setup::Ours, ours)] };
    violations(&row).into_iter().map(|violation| violation.clause).collect()
}

#[test]
fn figures_at_the_bounds_keep_the_law() {
    for family in [Family::Healthy, Family::Partial, Family::Outage, Family::Shown] {
        assert_eq!(clauses_broken(family, |naive, _| naive.repeatable_well = 900.0), [""; 0], "{family:?}");
    }
}

#[test]
fn fewer_good_answers_than_the_bare_client_gets_are_found() {
    let fewer = |_: &mut Figures, ours: &mut Figures| ours.well = 979.0;
    assert_eq!(clauses_broken(Family::Partial, fewer), ["no worse than bare"]);
    assert_eq!(clauses_broken(Family::Shown, fewer), [""; 0]);
}

#[test]
fn naive_retry_is_a_measure_only_where_it_is_cheap() {
    assert_eq!(clauses_broken(Family::Partial, |naive, _| naive.repeatable_well = 901.0), ["no worse than naive"]);
    let dear = |naive: &mut Figures, _: &mut Figures| {
        naive.repeatable_well = 901.0;
        naive.attempts = 1201.0;
    };
    assert_eq!(clauses_broken(Family::Partial, dear), [""; 0]);
}

#[test]
fn a_false_rejection_of_a_healthy_upstream_is_found() {
    assert_eq!(clauses_broken(Family::Healthy, |_, ours| ours.falsely = 0.5), ["no false rejections"]);
    assert_eq!(clauses_broken(Family::Partial, |_, ours| ours.falsely = 0.5), [""; 0]);
}

#[test]
fn too_much_load_and_a_second_effect_are_found_everywhere() {
    // 20 s are two windows of the budget, and one that was begun before.
    assert_eq!(clauses_broken(Family::Shown, |_, ours| ours.attempts = 1500.0), [""; 0]);
    assert_eq!(clauses_broken(Family::Shown, |_, ours| ours.attempts = 1501.0), ["load"]);
    assert_eq!(clauses_broken(Family::Shown, |_, ours| ours.twice = 0.05), ["effects"]);
}

#[test]
fn each_clause_on_outages_finds_its_violation() {
    let outage = |change: fn(&mut OutageFigures)| {
        clauses_broken(Family::Outage, |_, ours| ours.outage.iter_mut().for_each(change))
    };
    assert_eq!(outage(|o| o.detected = 0), ["outage: detected"]);
    assert_eq!(outage(|o| o.attempts = 591.0), ["outage: load"]);
    assert_eq!(outage(|o| o.told_late = 591.0), ["outage: told at once"]);
    assert_eq!(outage(|o| o.last_failure = 16.1), ["outage: recovery"]);
    assert_eq!(clauses_broken(Family::Outage, |_, ours| ours.most_waiting = 5_097), ["outage: waiting"]);
    assert_eq!(clauses_broken(Family::Outage, |_, ours| ours.most_in_flight = 4_097), ["outage: in flight"]);
}

#[test]
fn where_traffic_is_sparse_a_set_of_probes_for_each_wait_may_pass() {
    // 0.5 s, and 0.5625 s more: two waits.
    assert_eq!([0.4, 0.5, 1.0, 1.0625].map(waits_within), [0.0, 1.0, 1.0, 2.0]);
}

#[test]
fn every_stack_of_ours_is_held_to_the_law() {
    let scenario = scenario::all().into_iter().find(|s| s.family == Family::Partial).expect("there is one");
    let figures = |well| Figures { requests: 100.0, well, ..Figures::default() };
    let setups = [(Setup::Bare, 100.0), (Setup::Peer, 1.0), (Setup::Ours, 98.0), (Setup::OursOverHyper, 97.0)];
    let row = Row { scenario, figures: setups.map(|(setup, well)| (setup, figures(well))).to_vec() };
    let broken: Vec<_> = violations(&row).iter().map(|violation| (violation.setup, violation.clause)).collect();
    assert_eq!(broken, [("windbreak, hyper", "no worse than bare")]);
}
