use std::time::Duration;

use windbreak::outbox::Message;

use crate::domain::{Event, Key, NewOrder, Order, State};

/// One change of one order: the row, its quota, its line of history and its messages, in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `None` for a new order.
    pub before: Option<Order>,
    pub after: Order,
    pub line: String,
    /// What the rest of the company is told.
    pub event: Option<Message>,
    /// Has the sweep look at it later.
    pub sweep: Option<Message>,
}

impl Change {
    /// An order is written down before anything is done with it. The sweep looks at it after `sweep_after`.
    pub fn new_order(new: &NewOrder, sweep_after: Duration) -> Self {
        let after = Order {
            id: new.id.clone(),
            customer: new.customer.clone(),
            cents: new.cents,
            units: new.units,
            state: State::Pending(None),
            attempt: 1,
            version: 1,
            events: 1,
        };
        let (event, sweep) = (Some(event(&after)), Some(sweep(&after, sweep_after)));
        Self { before: None, line: "placed".to_owned(), after, event, sweep }
    }

    pub fn of(before: Order, state: State, line: String, sweep_after: Duration) -> Self {
        let again = state == State::Pending(None) && before.state.is_final();
        let tells = again || state.is_final();
        let after = Order {
            attempt: before.attempt + u32::from(again),
            version: before.version + 1,
            events: before.events + u32::from(tells),
            state,
            ..before.clone()
        };
        let (event, sweep) = (tells.then(|| event(&after)), again.then(|| sweep(&after, sweep_after)));
        Self { before: Some(before), after, line, event, sweep }
    }

    /// The same, with the event that fits what the order is after it.
    #[must_use]
    pub fn told(self) -> Self {
        Self { event: Some(event(&self.after)), ..self }
    }

    /// What the customer uses more, or less, of the quota.
    pub fn quota(&self) -> i64 {
        let held = |order: &Order| if order.state.holds_quota() { i64::from(order.units) } else { 0 };
        held(&self.after) - self.before.as_ref().map_or(0, held)
    }
}

/// The topic is the order: its events are delivered one after the other.
fn event(order: &Order) -> Message {
    let event = Event::of(order);
    let payload = serde_json::to_vec(&event).expect("text and numbers");
    Message::new(event.id()).topic(order.id.clone()).payload(payload)
}

/// In an outbox of its own, and named by the key of the attempt.
fn sweep(order: &Order, after: Duration) -> Message {
    Message::new(Key::of(order).to_string()).due_in(after)
}
