use std::collections::HashMap;

use super::facts::Facts;
use crate::domain::{Key, Order, State};

/// What went wrong with money, counted by order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wrong {
    pub charged_not_completed: usize,
    pub completed_not_charged: usize,
    pub charged_twice: usize,
}

impl Wrong {
    pub fn of(facts: &Facts) -> Self {
        let mut charges: HashMap<String, u32> = HashMap::new();
        for (key, payment) in facts.books.iter().flat_map(|(_, books)| books.all()) {
            let order = Key::parse(key).map_or_else(|| key.to_owned(), |key| key.order);
            *charges.entry(order).or_default() += payment.charges - payment.reversals;
        }
        let completed = |order: &&Order| matches!(order.state, State::Completed { .. });
        let is_charged = |order: &&Order| charges.get(&order.id).is_some_and(|charges| *charges > 0);
        let all = facts.orders.iter().filter(completed);
        let paid = all.clone().filter(is_charged).count();
        Self {
            charged_not_completed: charges.values().filter(|charges| **charges > 0).count() - paid,
            completed_not_charged: all.count() - paid,
            charged_twice: charges.values().filter(|charges| **charges > 1).count(),
        }
    }
}
