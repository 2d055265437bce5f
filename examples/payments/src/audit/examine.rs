use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Display;

use super::facts::{Facts, Promise};
use super::report::{Finding, Line, Report};
use crate::domain::{Event, Key, Order, Provider, State};
use crate::provider::{Calls, Payment};

/// Compares everything with everything.
pub fn audit(facts: &Facts) -> Report {
    let mut audit = Audit { facts, report: Report::default() };
    audit.charges();
    audit.states();
    audit.quota();
    audit.events();
    audit.connections();
    audit.promises();
    audit.report
}

struct Audit<'a> {
    facts: &'a Facts,
    report: Report,
}

impl Audit<'_> {
    fn line<T: Display>(&mut self, what: &'static str, expected: T, found: T) {
        self.report.lines.push(Line { what, expected: expected.to_string(), found: found.to_string() });
    }

    fn finding(&mut self, order: &str, what: impl Into<String>) {
        self.report.findings.push(Finding { order: Some(order.to_owned()), what: what.into() });
    }

    /// Every order is in a final state, or before a person.
    fn states(&mut self) {
        let facts = self.facts;
        let listed: HashSet<&str> = facts.for_a_person.iter().map(|(order, _)| order.as_str()).collect();
        let count = |is: fn(&State) -> bool| facts.orders.iter().filter(|order| is(&order.state)).count();
        let completed = count(|state| matches!(state, State::Completed { .. }));
        let failed = count(|state| matches!(state, State::Failed(_)));
        let open: Vec<&Order> = facts.orders.iter().filter(|order| !order.state.is_final()).collect();
        let person = open.iter().filter(|order| listed.contains(order.id.as_str())).count();
        let all = facts.orders.len();
        self.line("orders: completed + failed + for a person", all, completed + failed + person);
        self.line("messages that still wait", 0, u32::from(facts.is_waiting));
        for order in open {
            if !listed.contains(order.id.as_str()) {
                self.finding(&order.id, format!("is {}, and nobody looks at it", order.state));
            }
        }
    }

    /// Charges at both providers together equal completed orders exactly: one each, to the cent.
    fn charges(&mut self) {
        let facts = self.facts;
        let orders: HashMap<&str, &Order> = facts.orders.iter().map(|order| (order.id.as_str(), order)).collect();
        let due = |order: &&Order| matches!(order.state, State::Completed { .. });
        let (count, cents) =
            facts.orders.iter().filter(due).fold((0, 0), |(count, sum), order| (count + 1, sum + order.cents));
        let mut charged = (0_u64, 0_u64);
        let mut taken: BTreeMap<String, u32> = BTreeMap::new();
        let mut many_voids = 0_u32;
        for (provider, books) in &facts.books {
            for (text, payment) in books.all() {
                let key = Key::parse(text);
                let order = key.as_ref().and_then(|key| orders.get(key.order.as_str()));
                let Some((key, order)) = key.as_ref().zip(order) else {
                    if payment.charges > payment.reversals {
                        self.finding(text, format!("charged at {provider}, and there is no such order"));
                        charged = (charged.0 + 1, charged.1 + payment.cents);
                    }
                    continue;
                };
                let is_due = is_due(order, *provider, key);
                if payment.charges > payment.reversals {
                    charged = (charged.0 + 1, charged.1 + payment.cents);
                    *taken.entry(key.order.clone()).or_default() += 1;
                    if !is_due {
                        let what =
                            format!("charged {} at {provider} under {text}, and it is {}", payment.cents, order.state);
                        self.finding(&key.order, what);
                    } else if payment.cents != order.cents {
                        self.finding(&key.order, format!("charged {} instead of {}", payment.cents, order.cents));
                    }
                }
                if let Some(what) = too_many(payment, is_due) {
                    many_voids += 1;
                    self.finding(&key.order, format!("{what} at {provider} under {text}"));
                }
            }
        }
        let twice: Vec<_> = taken.iter().filter(|(_, charges)| **charges > 1).collect();
        for (order, charges) in &twice {
            self.report
                .findings
                .insert(0, Finding { order: Some((*order).clone()), what: format!("charged {charges} times") });
        }
        for order in facts.orders.iter().filter(due) {
            if !taken.contains_key(&order.id) {
                self.finding(&order.id, format!("is {}, and not charged", order.state));
            }
        }
        let missing = facts.orders.iter().filter(due).filter(|order| !taken.contains_key(&order.id)).count();
        self.line("charges = completed orders", count, charged.0);
        self.line("cents charged = cents of completed orders", cents, charged.1);
        self.line("orders charged twice", 0, twice.len());
        self.line("orders completed and not charged", 0, missing);
        self.line("voids or refunds too many", 0, many_voids);
    }

    /// What is used is what the orders hold that did not fail.
    fn quota(&mut self) {
        let facts = self.facts;
        let mut held: BTreeMap<&str, i64> = BTreeMap::new();
        for order in facts.orders.iter().filter(|order| order.state.holds_quota()) {
            *held.entry(&order.customer).or_default() += i64::from(order.units);
        }
        let used: i64 = facts.quotas.iter().map(|quota| quota.used).sum();
        self.line("quota used", held.values().sum::<i64>(), used);
        for quota in &facts.quotas {
            let held = held.get(quota.customer.as_str()).copied().unwrap_or(0);
            if held != quota.used || quota.used > quota.most {
                let what =
                    format!("quota of {}: {} used, {held} held, at most {}", quota.customer, quota.used, quota.most);
                self.report.findings.push(Finding { order: None, what });
            }
        }
    }

    /// Every event is delivered, in order, and the last one says how the order stands.
    fn events(&mut self) {
        let facts = self.facts;
        let mut received: HashMap<&str, Vec<&Event>> = HashMap::new();
        for event in &facts.events {
            received.entry(&event.order).or_default().push(event);
        }
        let written: usize = facts.orders.iter().map(|order| order.events as usize).sum();
        self.line("events delivered", written, facts.events.len());
        self.line("events out of order", 0, facts.out_of_order.len());
        for order in &facts.orders {
            let events = received.get(order.id.as_str()).map_or(&[][..], Vec::as_slice);
            let numbers: Vec<u32> = events.iter().map(|event| event.number).collect();
            if numbers != (1..=order.events).collect::<Vec<_>>() {
                self.finding(&order.id, format!("has {} events, and these came: {numbers:?}", order.events));
            }
            let last = events.last().map(|event| event.kind.as_str());
            if last != Some(Event::of(order).kind.as_str()) {
                self.finding(&order.id, format!("is {}, and the last event says {last:?}", order.state));
            }
        }
    }

    fn connections(&mut self) {
        let Calls { holding, unseen, .. } = self.facts.calls;
        self.line("connections held while calling a provider", 0, holding);
        self.line("calls that nobody observed", 0, unseen);
    }

    /// No client was told what is not so.
    fn promises(&mut self) {
        let facts = self.facts;
        let orders: HashMap<&str, &Order> = facts.orders.iter().map(|order| (order.id.as_str(), order)).collect();
        let mut broken = 0;
        for (id, promise) in &facts.promises {
            let is_kept = match (promise, orders.get(id.as_str()).map(|order| &order.state)) {
                (_, None) => false,
                (Promise::Completed, Some(state)) => matches!(state, State::Completed { .. }),
                (Promise::Declined, Some(state)) => matches!(state, State::Failed(_)),
                (Promise::Pending, Some(_)) => true,
            };
            if !is_kept {
                broken += 1;
                self.finding(id, format!("the client was told {promise:?}"));
            }
        }
        self.line("clients told what is not so", 0, broken);
    }
}

/// Whether this is the charge that the order says it has.
fn is_due(order: &Order, provider: Provider, key: &Key) -> bool {
    matches!(order.state, State::Completed { at, .. } if at == provider) && order.attempt == key.attempt
}

fn too_many(payment: &Payment, is_due: bool) -> Option<&'static str> {
    if payment.reversals > payment.charges {
        return Some("given back more than was taken");
    }
    (is_due && payment.voids > 0).then_some("voided, and it is completed")
}
