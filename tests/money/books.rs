//! What a provider has written down of each order. Nobody else's word counts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a provider says of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    Charged,
    Declined,
    /// Voided: nothing that comes of this order has an effect any more.
    Closed,
    AtWork,
    NotFound,
}

/// One order at one provider.
#[derive(Debug, Clone, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Account {
    /// Net of voids.
    pub(super) charges: u32,
    pub(super) voids: u32,
    /// Requests for this order of which the whole head was read.
    pub(super) arrivals: u32,
    /// Requests that are still on their way through a proxy, of which the server knows nothing.
    on_the_way: u32,
    at_work: u32,
    declined: bool,
    closed: bool,
    /// The last that was said to the client leaves open whether there was an effect.
    unclear: bool,
    /// When it arrived, the provider before this one might still have charged the card.
    pub(super) came_too_early: bool,
}

impl Account {
    pub(super) const fn entry(&self) -> Entry {
        match self {
            Self { closed: true, .. } => Entry::Closed,
            Self { charges: 1.., .. } => Entry::Charged,
            Self { at_work: 1.., .. } => Entry::AtWork,
            Self { declined: true, .. } => Entry::Declined,
            _ => Entry::NotFound,
        }
    }

    /// A charge arrives. With a key it is the same as the one before.
    pub(super) const fn charge(&mut self, is_keyed: bool, declines: bool) -> Entry {
        if self.closed {
            return Entry::Closed;
        }
        if is_keyed && !matches!(self.entry(), Entry::NotFound) {
            return self.entry();
        }
        if declines {
            self.declined = true;
            return Entry::Declined;
        }
        self.charges += 1;
        Entry::Charged
    }

    /// Undoes what was done, and refuses what is still to come.
    pub(super) const fn void(&mut self) {
        self.closed = true;
        self.voids += self.charges;
        self.charges = 0;
    }

    pub(super) const fn say(&mut self, leaves_open: bool) {
        self.unclear = leaves_open;
    }

    const fn may_still_have_an_effect(&self) -> bool {
        self.unclear || !self.closed && (self.charges > 0 || self.on_the_way > 0 || self.at_work > 0)
    }
}

/// The books of both providers.
#[derive(Debug, Clone, Default)]
pub(super) struct Books(Arc<Mutex<HashMap<(usize, usize), Account>>>);

impl Books {
    fn lock(&self) -> MutexGuard<'_, HashMap<(usize, usize), Account>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn with<T>(&self, provider: usize, order: usize, change: impl FnOnce(&mut Account) -> T) -> T {
        change(self.lock().entry((provider, order)).or_default())
    }

    pub(super) fn of(&self, provider: usize, order: usize) -> Account {
        self.lock().get(&(provider, order)).cloned().unwrap_or_default()
    }

    /// A request to charge has arrived: at the second provider only if the first one certainly did nothing.
    pub(super) fn arrived(&self, provider: usize, order: usize) {
        let mut accounts = self.lock();
        let is_open = |other| accounts.get(&(other, order)).is_some_and(Account::may_still_have_an_effect);
        let came_too_early = (0..provider).any(is_open);
        let account = accounts.entry((provider, order)).or_default();
        account.arrivals += 1;
        account.came_too_early |= came_too_early;
    }

    /// A request that is to arrive later, or a server that is to be done later.
    pub(super) fn begin(&self, provider: usize, order: usize, is_known: bool) {
        self.with(provider, order, |account| *account.pending(is_known) += 1);
    }

    pub(super) fn end(&self, provider: usize, order: usize, is_known: bool, is_keyed: bool) {
        self.with(provider, order, |account| {
            *account.pending(is_known) -= 1;
            account.charge(is_keyed, false)
        });
    }

    /// Whether nothing is on its way any more.
    pub(super) fn are_settled(&self) -> bool {
        self.lock().values().all(|account| account.on_the_way == 0 && account.at_work == 0)
    }
}

impl Account {
    const fn pending(&mut self, is_known: bool) -> &mut u32 {
        if is_known { &mut self.at_work } else { &mut self.on_the_way }
    }
}
