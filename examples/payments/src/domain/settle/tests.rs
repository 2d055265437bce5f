//! The rules, one fact each; and that no news in any order ever leads where money is lost.

use proptest::prelude::*;

use super::*;
use crate::domain::Provider;

fn order(state: State) -> Order {
    let (id, customer) = ("a".to_owned(), "c".to_owned());
    Order { id, customer, cents: 100, units: 1, state, attempt: 1, version: 1, events: 1 }
}

fn charged(at: Provider) -> News {
    News::Charged { at, cents: 100, receipt: "r".to_owned() }
}

fn paid(at: Provider) -> State {
    State::Completed { at, receipt: "r".to_owned() }
}

use Provider::{Alpha, Beta};

#[test]
fn a_charge_completes_the_order_that_waits_for_it() {
    let order = order(State::Pending(Some(Alpha)));
    assert_eq!(decide(&order, 1, &charged(Alpha)), Decision::Set(paid(Alpha)));
}

#[test]
fn another_amount_is_never_applied() {
    let news = News::Charged { at: Alpha, cents: 99, receipt: "r".to_owned() };
    for state in [State::Pending(Some(Alpha)), State::Voiding(Alpha), paid(Alpha), State::Failed(Why::Voided)] {
        assert!(matches!(decide(&order(state), 1, &news), Decision::Contradiction(_)));
    }
}

#[test]
fn once_a_void_is_written_down_a_charge_changes_nothing() {
    assert_eq!(decide(&order(State::Voiding(Alpha)), 1, &charged(Alpha)), Decision::Late);
}

#[test]
fn what_is_final_is_never_changed_by_a_provider() {
    let finals = [paid(Alpha), State::Failed(Why::Declined), State::Failed(Why::Voided)];
    for state in finals {
        for news in [charged(Alpha), charged(Beta), News::Declined { at: Alpha }, News::Voided { at: Alpha }] {
            assert!(!matches!(decide(&order(state.clone()), 1, &news), Decision::Set(_)), "{state} {news}");
        }
    }
}

#[test]
fn a_contradiction_of_a_final_state_is_said() {
    let rows = [
        (paid(Alpha), charged(Beta)),
        (paid(Alpha), News::Declined { at: Alpha }),
        (paid(Alpha), News::NothingApplied),
        (State::Failed(Why::Declined), charged(Alpha)),
    ];
    for (state, news) in rows {
        assert!(matches!(decide(&order(state.clone()), 1, &news), Decision::Contradiction(_)), "{state} {news}");
    }
}

#[test]
fn a_declined_order_is_not_tried_again() {
    assert_eq!(decide(&order(State::Failed(Why::Declined)), 1, &News::TryAgain), Decision::Late);
    assert_eq!(decide(&order(State::Failed(Why::Voided)), 1, &News::TryAgain), Decision::Set(State::Pending(None)));
}

#[test]
fn news_of_an_attempt_that_was_given_up_changes_nothing() {
    let mut order = order(State::Pending(Some(Alpha)));
    order.attempt = 2;
    assert!(matches!(decide(&order, 1, &charged(Alpha)), Decision::Contradiction(_)));
    assert_eq!(decide(&order, 1, &News::Voided { at: Alpha }), Decision::Late);
}

/// What really happened at a provider: it says nothing else, whenever and however often it says it.
fn truth() -> impl Strategy<Value = News> {
    let at = prop_oneof![Just(Alpha), Just(Beta)];
    prop_oneof![
        at.clone().prop_map(News::Sending),
        at.clone().prop_map(News::Voiding),
        at.clone().prop_map(charged),
        at.clone().prop_map(|at| News::Declined { at }),
        Just(News::NothingApplied),
        at.prop_map(|at| News::Voided { at }),
        Just(News::LeftUnsent),
    ]
}

proptest! {
    /// Any news in any order: a final state is never left by itself, and COMPLETED names a charge that was heard of where
    /// the order stood at that moment.
    #[test]
    fn completed_is_what_was_charged_there_and_final_stays_final(news in prop::collection::vec(truth(), 0..20)) {
        let mut order = order(State::Pending(None));
        for news in news {
            if let Decision::Set(state) = decide(&order, 1, &news) {
                prop_assert!(!order.state.is_final(), "{} was left for {state}", order.state);
                if let State::Completed { at, .. } = &state {
                    prop_assert_eq!(&order.state, &State::Pending(Some(*at)));
                    let is_charge = matches!(&news, News::Charged { at: heard, .. } if heard == at);
                    prop_assert!(is_charge);
                }
                if let State::Voiding(at) = &state {
                    prop_assert_eq!(&order.state, &State::Pending(Some(*at)));
                }
                order.state = state;
            }
        }
    }
}
