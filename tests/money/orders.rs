//! The facts, each over many orders in a storm of faults.

use super::stacks::Asks;
use super::storm::{Kind, Storm};

/// How many orders of each kind; `WINDBREAK_ORDERS=10000` asks for more.
fn orders() -> usize {
    number("WINDBREAK_ORDERS", 1_000)
}

/// `WINDBREAK_SEED` sets another one.
fn seed(default: u64) -> u64 {
    number("WINDBREAK_SEED", default)
}

fn number<T: std::str::FromStr>(name: &str, default: T) -> T {
    match std::env::var(name) {
        Ok(number) => number.parse().unwrap_or_else(|_| panic!("{name} is a number")),
        Err(_) => default,
    }
}

/// What the servers counted is what the callers were told, and every way in which an order can end has come up.
fn assert_met_everything(storm: &Storm) {
    let totals = storm.check(true);
    let few = orders() / 100;
    assert!(totals.applied_at_b > few && totals.unknown > few && totals.voids as usize > few, "{totals:?}");
    assert!(
        totals.declined > few && totals.without_effect > 0 && storm.met_open > few && storm.met_full > 0,
        "{totals:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_key_it_is_charged_where_the_caller_is_told_and_nowhere_else() {
    let storm = Storm::run(Kind::Keyed, Asks::AboveRetry, 2, orders(), seed(1)).await;
    assert_met_everything(&storm);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_key_it_is_charged_where_the_caller_is_told_and_nowhere_else() {
    let storm = Storm::run(Kind::Unkeyed, Asks::BelowRetry, 2, orders(), seed(2)).await;
    assert_met_everything(&storm);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_key_and_unasked_it_is_charged_at_most_once() {
    let storm = Storm::run(Kind::Unkeyed, Asks::Never, 2, orders(), seed(3)).await;
    let totals = storm.check(false);
    let few = orders() / 100;
    assert!(totals.applied_at_b > few && totals.unknown > few && totals.voids == 0, "{totals:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_has_no_effect_and_two_providers_give_more_responses_than_one() {
    let both = Storm::run(Kind::Safe, Asks::AboveRetry, 2, orders(), seed(4)).await.check(false);
    let one = Storm::run(Kind::Safe, Asks::AboveRetry, 1, orders(), seed(4)).await.check(false);
    assert_eq!((both.charges, both.voids), (0, 0));
    assert!(both.applied > one.applied && one.applied > orders() / 4, "{both:?} {one:?}");
}
