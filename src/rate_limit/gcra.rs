//! The generic cell rate algorithm: one number says how much has passed.
//!
//! That number is the *theoretical arrival time*: when everything that has passed would be over if it had been spaced
//! evenly, in nanoseconds since some origin. Whatever passes moves it on by its cost times the interval; it may lie at
//! most a whole burst ahead of now. Time that passes with nothing to do does not pay for more than a burst, because a
//! theoretical arrival in the past counts as now.

use super::rate::Rate;

/// A moment: nanoseconds since the origin of a limit.
pub(super) type Nanos = u64;

/// Later than any clock will say: 73 years. It stands for never.
pub(super) const NEVER: Nanos = u64::MAX >> 3;

/// The numbers of a rate, as the algorithm needs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gcra {
    /// In which one unit of cost comes back.
    pub(super) interval: Nanos,
    /// In which a whole burst comes back. A multiple of the interval, at most half of `NEVER`.
    pub(super) refill: Nanos,
}

/// Why something does not pass now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It passes at this moment, if nothing else passes before.
    Until(Nanos),
    /// It is dearer than the burst.
    TooDear,
}

impl Gcra {
    pub(super) fn new(rate: Rate) -> Self {
        // It came from as many nanoseconds, and the product is bounded by the rate.
        let interval = u64::try_from(rate.interval().as_nanos()).unwrap_or(NEVER);
        Self { interval, refill: interval * u64::from(rate.burst()) }
    }

    pub(super) const fn burst(self) -> u64 {
        self.refill / self.interval
    }

    #[inline]
    pub(super) const fn fits(self, cost: u32) -> bool {
        self.price(cost as u64) <= self.refill
    }

    /// The time in which `cost` comes back.
    #[inline]
    pub(super) const fn price(self, cost: u64) -> Nanos {
        self.interval.saturating_mul(cost)
    }

    /// The theoretical arrival time once `cost` has passed at `now`; or why it does not pass.
    #[inline]
    pub(super) fn pass(self, tat: Nanos, now: Nanos, cost: u64) -> Result<Nanos, Refusal> {
        let price = self.price(cost);
        let next = tat.max(now).saturating_add(price);
        if next <= now.saturating_add(self.refill) {
            Ok(next)
        } else if price <= self.refill {
            Err(Refusal::Until(next - self.refill))
        } else {
            Err(Refusal::TooDear)
        }
    }

    /// When the last of several have passed that cost `costs` together and pass one after the other, each as soon as it
    /// can and none before `from`. Each of them fits.
    pub(super) fn last_of(self, tat: Nanos, from: Nanos, costs: u64) -> Nanos {
        let all = tat.max(from).saturating_add(self.price(costs));
        all.saturating_sub(self.refill).max(from).min(NEVER)
    }

    /// How much can pass at `now`.
    pub(super) fn available(self, tat: Nanos, now: Nanos) -> u32 {
        let room = now.saturating_add(self.refill).saturating_sub(tat.max(now));
        u32::try_from(room / self.interval).unwrap_or(u32::MAX)
    }

    /// The theoretical arrival time at which no more than `left` can pass at `now`.
    pub(super) fn lower(self, tat: Nanos, now: Nanos, left: u32) -> Nanos {
        tat.max(now.saturating_add(self.refill.saturating_sub(self.price(left.into()))))
    }

    /// The theoretical arrival time by which as much cost is outstanding as was by `old` numbers: what was passed by
    /// the old rate comes back by the new one.
    pub(super) fn convert(self, old: Self, tat: Nanos, now: Nanos) -> Nanos {
        let debt = u128::from(tat.saturating_sub(now)) * u128::from(self.interval);
        let debt = u64::try_from(debt.div_ceil(old.interval.into())).unwrap_or(NEVER);
        now.saturating_add(debt).min(NEVER)
    }
}

#[cfg(test)]
mod tests;
