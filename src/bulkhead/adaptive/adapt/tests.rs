use proptest::prelude::*;

use super::simulation::{Server, Simulation, Stages, at_last};
use super::*;

const EVEN: Stages = Stages(10);
const UNEVEN: Stages = Stages(1);
const SEEDS: std::ops::Range<u64> = 0..2;

/// Queues without end, and never says no: its latency is all that tells.
fn queues(workers: usize) -> Server {
    Server::Workers { workers, work: Duration::from_millis(100), most: usize::MAX }
}

/// Answers with a 503 what is a tenth more than it can do at once.
fn sheds(workers: usize) -> Server {
    Server::Workers { workers, work: Duration::from_millis(100), most: workers + workers / 10 }
}

#[allow(clippy::cast_precision_loss, reason = "small numbers")]
fn assert_within_a_fifth(limit: f64, knee: usize, what: &str) {
    let ratio = limit / knee as f64;
    assert!((0.8..=1.2).contains(&ratio), "{what}: {limit} of {knee}");
}

#[test]
fn the_limit_ends_within_a_fifth_of_the_knee() {
    for seed in SEEDS {
        for stages in [EVEN, UNEVEN] {
            for knee in [10, 20, 50] {
                for (server, start) in [(queues(knee), 5), (sheds(knee), 5), (sheds(knee), 150)] {
                    let mut simulation = Simulation::new(seed, server, stages, &[start]);
                    let limit = at_last(&simulation.run(server, 400)[0]);
                    assert_within_a_fifth(limit, knee, &format!("seed {seed}, {stages:?}, {server:?} from {start}"));
                }
            }
        }
    }
}

#[test]
fn the_limit_stays_at_the_knee_for_an_hour() {
    for knee in [10, 20] {
        let mut simulation = Simulation::new(1, queues(knee), UNEVEN, &[5]);
        let history = &simulation.run(queues(knee), 3600)[0];
        for ten_minutes in history[600..].chunks(600) {
            assert_within_a_fifth(at_last(ten_minutes), knee, "ten minutes");
        }
    }
}

#[test]
fn the_limit_halves_within_ten_windows_when_the_server_halves_and_recovers() {
    for seed in SEEDS {
        for (whole, half) in [(queues(50), queues(25)), (sheds(50), sheds(25))] {
            let mut simulation = Simulation::new(seed, whole, EVEN, &[20]);
            simulation.run(whole, 300);
            let (before, during) = {
                let history = &simulation.run(half, 200)[0];
                (history[299], history[311])
            };
            assert!(during * 10 <= before * 6, "seed {seed}: from {before} to {during}");
            let history = &simulation.run(whole, 200)[0];
            assert_within_a_fifth(at_last(&history[500..]), 50, &format!("seed {seed}, {whole:?} again"));
        }
    }
}

#[test]
fn two_clients_share_a_server_fairly() {
    for seed in SEEDS {
        for (server, limits) in [(queues(50), [5, 40]), (sheds(50), [5, 40]), (sheds(10), [1, 9])] {
            let mut simulation = Simulation::new(seed, server, EVEN, &limits);
            let history = simulation.run(server, 900);
            let (one, other) = (at_last(&history[0][600..]), at_last(&history[1][600..]));
            let jain = (one + other).powi(2) / (2.0 * (one * one + other * other));
            assert!(jain >= 0.9, "seed {seed}, {server:?}: {one} and {other}");
        }
    }
}

#[test]
fn an_upstream_that_always_times_out_ends_at_the_minimum() {
    let mut simulation = Simulation::new(1, Server::Hangs, EVEN, &[200]);
    let history = &simulation.run(Server::Hangs, 600)[0];
    assert_eq!(history.last(), Some(&1));
}

#[test]
fn bimodal_latency_does_not_shrink_the_limit() {
    for seed in SEEDS {
        let mut simulation = Simulation::new(seed, Server::Bimodal, EVEN, &[20]);
        let history = &simulation.run(Server::Bimodal, 400)[0];
        assert!(history.iter().all(|&limit| limit >= 16), "seed {seed}: {history:?}");
        assert!(at_last(history) > 60.0, "seed {seed}: {}", at_last(history));
    }
}

/// A server that is slower from now on, whatever its load: the limit is not its fault, and comes back.
#[test]
fn an_upstream_that_became_slower_is_not_starved() {
    let slower = Server::Workers { workers: 1_000, work: Duration::from_millis(200), most: usize::MAX };
    let before = Server::Workers { workers: 1_000, work: Duration::from_millis(100), most: usize::MAX };
    for seed in SEEDS {
        let mut simulation = Simulation::new(seed, before, EVEN, &[50]);
        simulation.run(before, 100);
        let history = &simulation.run(slower, 200)[0];
        let (start, least, end) = (history[99], history[100..].iter().min().unwrap(), history.last().unwrap());
        assert!(least * 2 >= start, "seed {seed}: from {start} to {least} {:?}", &history[95..130]);
        assert!(*end > start, "seed {seed}: from {start} to {end}");
    }
}

fn success(millis: u64) -> Sample {
    Sample { time: Some(Duration::from_millis(millis)), is_pressure: false, in_flight: 1_000 }
}

const PRESSURE: Sample = Sample { time: None, is_pressure: true, in_flight: 1_000 };

fn adapting(min: usize, max: usize, limit: usize) -> (Adapting, Instant) {
    let now = Instant::now();
    (Adapting::new(Adapt::between(min, max).unwrap(), limit, now), now)
}

/// Ten of a sample, the last of them a second after the window began.
fn window(adapting: &mut Adapting, now: &mut Instant, sample: Sample) -> Option<Change> {
    for _ in 0..9 {
        assert_eq!(adapting.record(sample, *now), None);
    }
    *now += Duration::from_secs(1);
    adapting.record(sample, *now)
}

#[test]
fn a_window_ends_after_a_second_and_ten_samples() {
    let (mut adapting, start) = adapting(1, 100, 50);
    for _ in 0..20 {
        assert_eq!(adapting.record(PRESSURE, start + Duration::from_millis(999)), None);
    }
    assert!(adapting.record(PRESSURE, start + Duration::from_secs(1)).is_some());
    for _ in 0..9 {
        assert_eq!(adapting.record(PRESSURE, start + Duration::from_secs(30)), None);
    }
    assert!(adapting.record(PRESSURE, start + Duration::from_secs(30)).is_some());
}

#[test]
fn a_window_ends_after_30_s_with_however_few_samples() {
    let (mut adapting, start) = adapting(1, 100, 50);
    assert_eq!(adapting.record(PRESSURE, start + Duration::from_secs(29)), None);
    let change = adapting.record(success(10), start + Duration::from_secs(30));
    assert_eq!(change, Some(Change { from: 50, to: 45, reason: Reason::Pressure }));
}

#[test]
fn fewer_than_ten_samples_say_nothing_of_latency() {
    let (mut adapting, mut now) = adapting(1, 100, 50);
    for _ in 0..20 {
        window(&mut adapting, &mut now, success(10));
    }
    let before = adapting.limit();
    now += Duration::from_secs(30);
    assert_eq!(adapting.record(success(10_000), now), None);
    now += Duration::from_secs(30);
    assert_eq!(adapting.record(success(10), now), None);
    assert_eq!(adapting.limit(), before);
}

#[test]
fn the_limit_grows_by_one_a_window_only_if_it_was_reached() {
    let (mut adapting, mut now) = adapting(1, 100, 50);
    assert_eq!(window(&mut adapting, &mut now, success(10)), None, "nothing is known yet");
    assert_eq!(
        window(&mut adapting, &mut now, success(10)),
        Some(Change { from: 50, to: 51, reason: Reason::Reached })
    );
    let idle = Sample { in_flight: 1, ..success(10) };
    for _ in 0..10 {
        assert_eq!(window(&mut adapting, &mut now, idle), None);
    }
    assert_eq!(window(&mut adapting, &mut now, success(10)).map(|change| change.to), Some(52));
}

#[test]
fn failures_without_a_success_do_not_let_the_limit_grow() {
    let (mut adapting, mut now) = adapting(1, 100, 50);
    for _ in 0..10 {
        assert_eq!(window(&mut adapting, &mut now, Sample { time: None, ..success(10) }), None);
    }
}

#[test]
fn responses_that_take_no_time_do_not_let_the_limit_grow() {
    let (mut adapting, mut now) = adapting(1, 100, 50);
    for _ in 0..10 {
        assert_eq!(window(&mut adapting, &mut now, success(0)), None);
    }
}

#[test]
fn many_responses_in_a_window_do_not_make_it_late() {
    let (mut adapting, mut now) = adapting(1, 100, 50);
    let idle = Sample { in_flight: 1, ..success(100) };
    for _ in 0..20 {
        window(&mut adapting, &mut now, idle);
    }
    for _ in 0..90 {
        assert_eq!(adapting.record(idle, now), None);
    }
    assert_eq!(window(&mut adapting, &mut now, idle), None);
}

#[test]
fn at_its_least_the_limit_grows_again_once_the_upstream_is_known_to_be_slower() {
    let (mut adapting, mut now) = adapting(50, 100, 50);
    for _ in 0..20 {
        window(&mut adapting, &mut now, Sample { in_flight: 1, ..success(100) });
    }
    for _ in 0..4 {
        assert_eq!(window(&mut adapting, &mut now, success(200)), None, "it cannot shrink");
    }
    assert_eq!(window(&mut adapting, &mut now, success(200)).map(|change| change.to), Some(51));
}

#[test]
fn the_limit_shrinks_as_long_as_times_fall_with_it() {
    let (mut adapting, mut now) = adapting(1, 1_000, 1_000);
    for _ in 0..20 {
        window(&mut adapting, &mut now, Sample { in_flight: 1, ..success(100) });
    }
    for _ in 0..6 {
        let queued = success(adapting.limit() as u64 / 5);
        assert_eq!(window(&mut adapting, &mut now, queued).map(|change| change.reason), Some(Reason::Latency));
    }
}

#[test]
fn the_limit_shrinks_once_a_window_by_a_tenth_and_never_below_its_bound() {
    let (mut adapting, mut now) = adapting(3, 100, 10);
    let mut limits = [0; 9];
    for limit in &mut limits {
        window(&mut adapting, &mut now, PRESSURE);
        *limit = adapting.limit();
    }
    // 9, 8.1, 7.29, 6.561, 5.9, 5.3, 4.8, 4.3, 3.9
    assert_eq!(limits, [9, 8, 7, 6, 5, 5, 4, 4, 3]);
    window(&mut adapting, &mut now, PRESSURE);
    window(&mut adapting, &mut now, PRESSURE);
    assert_eq!(adapting.limit(), 3);
}

#[test]
fn the_limit_shrinks_when_the_mean_exceeds_its_moving_mean_by_two_and_a_half_deviations() {
    // The windows before alternate between 95 and 105 ms: a mean of 100, and a deviation of 10 / √2.
    for (millis, shrinks) in [(113, false), (121, true)] {
        let (mut adapting, mut now) = adapting(1, 100, 50);
        for _ in 0..100 {
            window(&mut adapting, &mut now, Sample { in_flight: 1, ..success(95) });
            window(&mut adapting, &mut now, Sample { in_flight: 1, ..success(105) });
        }
        let change = window(&mut adapting, &mut now, success(millis));
        assert_eq!(change.map(|change| change.reason), shrinks.then_some(Reason::Latency), "{millis} ms");
    }
}

#[test]
fn an_upstream_as_regular_as_a_clock_is_not_late_for_two_percent() {
    let (mut adapting, mut now) = adapting(1, 100, 50);
    for _ in 0..20 {
        window(&mut adapting, &mut now, Sample { in_flight: 1, ..success(100) });
    }
    assert_eq!(window(&mut adapting, &mut now, success(102)), None);
    assert_eq!(window(&mut adapting, &mut now, success(104)).map(|change| change.to), Some(45));
}

#[test]
fn a_start_outside_the_bounds_moves_to_the_nearest() {
    assert_eq!(adapting(10, 100, 5).0.limit(), 10);
    assert_eq!(adapting(10, 100, 500).0.limit(), 100);
}

fn sample() -> impl Strategy<Value = (Sample, u64)> {
    let time = prop_oneof![3 => (1_u64..500).prop_map(|millis| Some(Duration::from_millis(millis))), 1 => Just(None)];
    (time, prop::bool::weighted(0.02), 1_usize..80, 0_u64..400).prop_map(|(time, is_pressure, in_flight, pause)| {
        (Sample { time: time.filter(|_| !is_pressure), is_pressure, in_flight }, pause)
    })
}

proptest! {
    /// A model that keeps every sample of the window, and asks of each change what the docs promise.
    #[test]
    fn every_change_is_one_that_the_rule_allows(
        (min, max) in (1_usize..20, 20_usize..60),
        limit in 1_usize..100,
        samples in prop::collection::vec(sample(), 0..600),
    ) {
        let (mut adapting, mut now) = adapting(min, max, limit);
        let mut window: Vec<Sample> = Vec::new();
        let mut start = now;
        for (sample, pause) in samples {
            now += Duration::from_millis(pause);
            window.push(sample);
            let (in_force, before) = (adapting.limit(), adapting.limit);
            let change = adapting.record(sample, now);
            let (now_in_force, after) = (adapting.limit(), adapting.limit);
            prop_assert!((min..=max).contains(&now_in_force));
            prop_assert_eq!(float(now_in_force), after.floor());
            let changed = (in_force != now_in_force).then_some((in_force, now_in_force));
            prop_assert_eq!(change.map(|change| (change.from, change.to)), changed);
            let age = now - start;
            if age < Duration::from_secs(1) || (window.len() < 10 && age < Duration::from_secs(30)) {
                prop_assert_eq!(before, after);
                continue;
            }
            let has_pressure = window.iter().any(|sample| sample.is_pressure);
            let has_success = window.iter().any(|sample| sample.time.is_some());
            let was_reached = window.iter().any(|sample| sample.in_flight >= in_force);
            let a_tenth_less = (before - before / 10.0).max(float(min));
            if has_pressure {
                prop_assert_eq!(after, a_tenth_less);
            } else if after > before {
                prop_assert_eq!(after, (before + 1.0).min(float(max)));
                prop_assert!(was_reached && has_success && window.len() >= 10);
            } else if after < before {
                prop_assert_eq!(after, a_tenth_less);
                prop_assert!(has_success && window.len() >= 10);
            }
            window.clear();
            start = now;
        }
    }
}
