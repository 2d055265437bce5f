//! The standard stack: its numbers are checked against one another.

use std::time::Duration;

use windbreak::http::{Standard, StandardBuilder};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn error(change: impl FnOnce(StandardBuilder) -> StandardBuilder) -> String {
    change(Standard::builder("callee")).build().expect_err("it is not valid").to_string()
}

#[test]
fn the_defaults_agree_with_one_another() {
    let standard = Standard::builder("callee").build().unwrap();
    assert_eq!(standard.circuit().name(), "callee");
    assert_eq!(standard.places().limit(), 64);
}

#[test]
fn what_contradicts_itself_is_explained() {
    assert_eq!(
        error(|standard| standard.attempt_timeout(seconds(10))),
        "`attempt_timeout` is 10s; it must be below the total timeout of 10s, or there is no time for a second attempt"
    );
    assert_eq!(
        error(|standard| standard.attempt_timeout(Duration::MAX)),
        format!(
            "`attempt_timeout` is {:?}; it must be a bound where there is more than one attempt, or the first may use \
             up all the time",
            Duration::MAX
        )
    );
    assert_eq!(
        error(|standard| standard.attempt_timeout(seconds(1))),
        "`attempt_timeout` is 1s; it must be above the connect timeout of 1s, which it would otherwise hide"
    );
    assert_eq!(
        error(|standard| standard.circuit(|circuit| circuit.time_window(Duration::from_millis(5_999)))),
        "`time_window` is 5.999s; it must be at least 6s, twice what an attempt may take"
    );
    assert_eq!(
        error(|standard| standard.total_timeout(Duration::ZERO)),
        "`total_timeout` is 0ns; it must be longer than zero"
    );
}

#[test]
fn a_part_that_is_not_valid_is_named() {
    assert_eq!(error(|standard| standard.max_in_flight(0)), "`limit` is 0; it must be from 1 to 2147483647");
    assert_eq!(
        error(|standard| standard.retry(|retry| retry.max_attempts(0))),
        "`max_attempts` is 0; it must be at least 1, the first attempt"
    );
    assert_eq!(
        error(|standard| standard.circuit(|circuit| circuit.probes(0))),
        "`probes` is 0; it must be from 1 to 16777216"
    );
}

#[test]
fn what_is_right_at_the_bound_is_accepted() {
    let build = |standard: StandardBuilder| standard.build().map(|_| ());
    let standard = || Standard::builder("callee");
    assert_eq!(build(standard().circuit(|circuit| circuit.time_window(seconds(6)))), Ok(()));
    assert_eq!(build(standard().circuit(|circuit| circuit.count_window(10))), Ok(()));
    assert_eq!(build(standard().attempt_timeout(Duration::from_millis(1_001))), Ok(()));
    let once = |standard: StandardBuilder| standard.retry(|retry| retry.max_attempts(1));
    assert_eq!(build(once(standard()).attempt_timeout(Duration::MAX)), Ok(()));
    assert_eq!(build(once(standard()).attempt_timeout(seconds(10)).total_timeout(seconds(10))), Ok(()));
}
