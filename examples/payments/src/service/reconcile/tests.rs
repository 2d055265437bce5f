use super::*;
use crate::domain::Why;

fn order(id: &str, state: State) -> Order {
    let (customer, id) = ("c".to_owned(), id.to_owned());
    Order { id, customer, cents: 100, units: 1, state, attempt: 1, version: 1, events: 1 }
}

fn paid(at: Provider) -> State {
    State::Completed { at, receipt: "r1".to_owned() }
}

fn charged(key: &str, cents: u64) -> Listed {
    Listed { key: key.to_owned(), found: Found::Charged { cents, receipt: "r1".to_owned() } }
}

fn key(order: &str) -> Key {
    Key { order: order.to_owned(), attempt: 1 }
}

fn both(alpha: Vec<Listed>, beta: Vec<Listed>) -> Vec<(Provider, Vec<Listed>)> {
    vec![(Provider::Alpha, alpha), (Provider::Beta, beta)]
}

#[test]
fn what_agrees_is_no_difference() {
    let orders =
        [order("a", paid(Provider::Alpha)), order("b", State::Failed(Why::Declined)), order("c", State::Pending(None))];
    let closed = Listed { key: "a.1".to_owned(), found: Found::Closed };
    assert_eq!(compare(&orders, &both(vec![charged("a.1", 100)], vec![closed])), []);
}

#[test]
fn a_charge_of_an_order_that_failed_or_was_paid_otherwise_is_voided() {
    let mut again = order("c", paid(Provider::Alpha));
    again.attempt = 2;
    let orders = [order("a", State::Failed(Why::Voided)), order("b", paid(Provider::Alpha)), again];
    let lists = both(
        vec![charged("a.1", 100), charged("b.1", 100), charged("c.1", 100), charged("c.2", 100)],
        vec![charged("b.1", 100)],
    );
    let surplus = |at, order| Difference::Surplus(at, key(order));
    let expected = [surplus(Provider::Alpha, "a"), surplus(Provider::Alpha, "c"), surplus(Provider::Beta, "b")];
    assert_eq!(compare(&orders, &lists), expected);
}

#[test]
fn a_charge_of_an_open_order_is_settled() {
    let orders = [order("a", State::Pending(Some(Provider::Beta))), order("b", State::Voiding(Provider::Beta))];
    let lists = both(vec![], vec![charged("a.1", 100), charged("b.1", 100)]);
    assert_eq!(compare(&orders, &lists), [Difference::Open(key("a")), Difference::Open(key("b"))]);
}

#[test]
fn a_key_that_is_charged_twice_is_for_a_person() {
    let orders = [order("a", paid(Provider::Alpha))];
    let lists = both(vec![charged("a.1", 100), charged("a.1", 100)], vec![]);
    let twice = Difference::ForAPerson("a".to_owned(), "charged more than once at alpha".to_owned());
    assert_eq!(compare(&orders, &lists), [twice]);
}

#[test]
fn what_nobody_may_repair_is_for_a_person() {
    let orders = [order("a", paid(Provider::Alpha)), order("b", paid(Provider::Beta))];
    let lists = both(vec![charged("a.1", 99), charged("x", 5), charged("y.1", 5)], vec![]);
    let people: Vec<String> = compare(&orders, &lists)
        .into_iter()
        .map(|difference| match difference {
            Difference::ForAPerson(order, what) => format!("{order}: {what}"),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        people,
        [
            "a: charged 99 at alpha instead of 100",
            "x: charged 5 at alpha, and there is no such order",
            "y.1: charged 5 at alpha, and there is no such order",
            "b: is COMPLETED at beta, receipt r1, and not charged",
        ]
    );
}
