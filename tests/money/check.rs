//! Compares what the servers counted with what the callers were told.

use std::fmt;

use super::books::Account;
use super::storm::{Kind, Storm};
use super::told::Told;

/// How many orders ended how.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    pub(super) applied: usize,
    /// Of these, at the second provider.
    pub(super) applied_at_b: usize,
    pub(super) declined: usize,
    pub(super) without_effect: usize,
    pub(super) unknown: usize,
    pub(super) charges: u32,
    pub(super) voids: u32,
    /// Orders of which the second provider saw anything.
    pub(super) reached_b: usize,
}

impl Storm {
    /// What came of it.
    ///
    /// # Panics
    ///
    /// With everything that is wrong, the seed, how often each fault came, and the totals.
    pub(super) fn check(&self, is_asked: bool) -> Totals {
        let mut totals = Totals::default();
        let mut wrong = Vec::new();
        for order in 0..self.orders {
            let accounts = [self.books.of(0, order), self.books.of(1, order)];
            totals.count(&self.told[order], &accounts);
            for what in self.wrong(order, &accounts, is_asked) {
                wrong.push(format!("order {order}: {what}; told {:?}; {accounts:?}", self.told[order]));
            }
        }
        let letters = self.letters.len() as u64;
        if self.lost > 0 || self.kept != letters {
            wrong.push(format!("{} letters were kept, {} lost, and {letters} came out", self.kept, self.lost));
        }
        let shown = &wrong[..wrong.len().min(10)];
        assert!(wrong.is_empty(), "{self}{totals:#?}\n{} are wrong:\n{}", wrong.len(), shown.join("\n"));
        println!("{self}{totals:?}");
        totals
    }

    fn wrong(&self, order: usize, accounts: &[Account; 2], is_asked: bool) -> Vec<&'static str> {
        let (told, letter) = (&self.told[order], self.letters.get(&order));
        let charges = accounts.iter().map(|account| account.charges).sum::<u32>();
        let at = |provider: usize| accounts[provider].charges;
        let is_safe = self.kind == Kind::Safe;
        [
            (charges > 1, "it was charged twice"),
            (is_safe && accounts.iter().any(|account| account.arrivals > 0), "a read became a charge"),
            (!is_safe && matches!(*told, Told::Applied(provider) if at(provider) != 1), "it was not charged there"),
            (matches!(told, Told::Declined | Told::WithoutEffect) && charges > 0, "it was charged"),
            (accounts[1].came_too_early, "it reached b while its effect at a was unknown"),
            (letter.is_some() != (!is_safe && matches!(told, Told::WithoutEffect | Told::Unknown)), "a letter"),
            (letter.is_some_and(|unknown| *unknown != (*told == Told::Unknown)), "the letter says something else"),
            (
                is_asked
                    && *told == Told::Unknown
                    && !self.unsettled.contains(&order)
                    && !self.cut_off.contains(&order),
                "nobody was told that it is unsettled",
            ),
        ]
        .into_iter()
        .filter_map(|(is_wrong, what)| is_wrong.then_some(what))
        .collect()
    }
}

impl Totals {
    fn count(&mut self, told: &Told, accounts: &[Account; 2]) {
        match told {
            Told::Applied(provider) => {
                self.applied += 1;
                self.applied_at_b += provider;
            }
            Told::Declined => self.declined += 1,
            Told::WithoutEffect => self.without_effect += 1,
            Told::Unknown => self.unknown += 1,
        }
        for account in accounts {
            self.charges += account.charges;
            self.voids += account.voids;
        }
        self.reached_b += usize::from(accounts[1].arrivals > 0);
    }
}

impl fmt::Display for Storm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { weather, kind, orders, took, met_open, met_full, .. } = self;
        writeln!(
            f,
            "{orders} orders, {kind:?}, in {took:.1?}; {met_open} met an open circuit, {met_full} a full bulkhead"
        )?;
        writeln!(f, "{weather}")
    }
}
