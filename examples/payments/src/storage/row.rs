//! Orders and the rest, as rows and back. `None` is a row that nobody can read.

use super::database::Value;
use super::store::{Letter, Quota, Recorded};
use crate::domain::{Order, Provider, State, Why};

fn number(value: impl TryInto<i64>) -> Value {
    Value::Number(value.try_into().unwrap_or(i64::MAX))
}

/// In the order of the columns.
pub(super) fn values(order: &Order) -> Vec<Value> {
    let (state, at, receipt, why) = match &order.state {
        State::Pending(at) => ("PENDING", *at, None, None),
        State::Voiding(at) => ("VOIDING", Some(*at), None, None),
        State::Completed { at, receipt } => ("COMPLETED", Some(*at), Some(receipt.as_str()), None),
        State::Failed(why) => ("FAILED", None, None, Some(why.as_str())),
    };
    vec![
        order.id.as_str().into(),
        order.customer.as_str().into(),
        number(order.cents),
        number(order.units),
        state.into(),
        at.map(Provider::as_str).into(),
        receipt.into(),
        why.into(),
        number(order.attempt),
        number(order.version),
        number(order.events),
    ]
}

pub(super) fn order(row: &[Value]) -> Option<Order> {
    use Value::{Null, Number, Text};
    let [
        Text(id),
        Text(customer),
        Number(cents),
        Number(units),
        Text(state),
        at,
        receipt,
        why,
        Number(attempt),
        Number(version),
        Number(events),
    ] = row
    else {
        return None;
    };
    let at: Option<Provider> = match at {
        Text(at) => Some(at.parse().ok()?),
        _ => None,
    };
    let state = match (state.as_str(), at, receipt, why) {
        ("PENDING", at, Null, Null) => State::Pending(at),
        ("VOIDING", Some(at), Null, Null) => State::Voiding(at),
        ("COMPLETED", Some(at), Text(receipt), Null) => State::Completed { at, receipt: receipt.clone() },
        ("FAILED", None, Null, Text(why)) => State::Failed(Why::ALL.into_iter().find(|each| each.as_str() == why)?),
        _ => return None,
    };
    Some(Order {
        id: id.clone(),
        customer: customer.clone(),
        cents: u64::try_from(*cents).ok()?,
        units: u32::try_from(*units).ok()?,
        state,
        attempt: u32::try_from(*attempt).ok()?,
        version: u64::try_from(*version).ok()?,
        events: u32::try_from(*events).ok()?,
    })
}

pub(super) fn quota(row: &[Value]) -> Option<Quota> {
    let [Value::Text(customer), Value::Number(most), Value::Number(used)] = row else { return None };
    Some(Quota { customer: customer.clone(), most: *most, used: *used })
}

pub(super) fn letter(row: &[Value]) -> Option<Letter> {
    let [Value::Number(number), Value::Text(key), Value::Text(what), Value::Number(verify), end] = row else {
        return None;
    };
    let end = match end {
        Value::Text(end) => Some(end.clone()),
        _ => None,
    };
    Some(Letter { number: *number, key: key.clone(), what: what.clone(), must_be_verified: *verify != 0, end })
}

pub(super) fn recorded(row: &[Value]) -> Option<Recorded> {
    let [Value::Text(from), Value::Text(body), Value::Text(end)] = row else { return None };
    Some(Recorded { from: from.parse().ok()?, body: body.clone(), end: end.clone() })
}

pub(super) fn pair(row: &[Value]) -> Option<(String, String)> {
    let [Value::Text(first), Value::Text(second)] = row else { return None };
    Some((first.clone(), second.clone()))
}
