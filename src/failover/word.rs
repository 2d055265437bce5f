//! The switches of a failover in one word, so that a request reads them at once, and which provider they choose. It knows
//! no provider: only numbers, in the order in which the providers were given.

/// How many providers fit: each needs a bit among the excluded ones.
pub(super) const MAX_PROVIDERS: usize = 32;

const MANUAL: u64 = 1 << 32;
const PREFERRED_AT: u32 = 40;
const PREFERRED: u64 = 0xff << PREFERRED_AT;

/// What the switches say: bit 0 to 31 the excluded providers, bit 32 manual, from bit 40 on the preferred provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Word(u64);

impl Word {
    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    pub(super) const fn preferred(self) -> usize {
        ((self.0 & PREFERRED) >> PREFERRED_AT) as usize
    }

    pub(super) const fn prefer(self, provider: usize) -> Self {
        Self(self.0 & !PREFERRED | (provider as u64) << PREFERRED_AT)
    }

    pub(super) const fn excludes(self, provider: usize) -> bool {
        self.0 & 1 << provider != 0
    }

    pub(super) const fn exclude(self, provider: usize, excluded: bool) -> Self {
        let bit = 1 << provider;
        Self(if excluded { self.0 | bit } else { self.0 & !bit })
    }

    pub(super) const fn is_manual(self) -> bool {
        self.0 & MANUAL != 0
    }

    pub(super) const fn manual(self, manual: bool) -> Self {
        Self(if manual { self.0 | MANUAL } else { self.0 & !MANUAL })
    }

    /// The first provider of a request; `None` if all are excluded.
    pub(super) fn first(self, count: usize) -> Option<usize> {
        self.next(0, count)
    }

    /// The provider after those that were `tried`, a bit for each: the preferred one, then the others in their order, each
    /// once, and none that is excluded. By hand there is only the first.
    pub(super) fn next(self, tried: u32, count: usize) -> Option<usize> {
        if self.is_manual() && tried != 0 {
            return None;
        }
        let preferred = self.preferred();
        let may_go = |provider: &usize| !self.excludes(*provider) && tried & 1 << *provider == 0;
        std::iter::once(preferred).chain(0..count).find(may_go)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, Copy)]
    enum Throw {
        Prefer(usize),
        Exclude(usize),
        Restore(usize),
        Manual(bool),
    }

    fn throws(count: usize) -> impl Strategy<Value = Vec<Throw>> {
        let throw = prop_oneof![
            (0..count).prop_map(Throw::Prefer),
            (0..count).prop_map(Throw::Exclude),
            (0..count).prop_map(Throw::Restore),
            prop::bool::weighted(0.2).prop_map(Throw::Manual),
        ];
        prop::collection::vec(throw, 0..40)
    }

    /// The same switches, as an operator would note them on paper.
    #[derive(Default)]
    struct Paper {
        preferred: usize,
        excluded: BTreeSet<usize>,
        is_manual: bool,
    }

    impl Paper {
        fn order(&self, count: usize) -> Vec<usize> {
            let mut order: Vec<usize> = (0..count).collect();
            order.retain(|provider| *provider != self.preferred);
            order.insert(0, self.preferred);
            order.retain(|provider| !self.excluded.contains(provider));
            if self.is_manual {
                order.truncate(1);
            }
            order
        }
    }

    proptest! {
        #[test]
        fn the_order_is_the_one_on_paper(
            (count, throws) in (1..=MAX_PROVIDERS).prop_flat_map(|count| (Just(count), throws(count))),
        ) {
            let mut paper = Paper::default();
            let mut word = Word::default();
            for throw in throws {
                match throw {
                    Throw::Prefer(provider) => {
                        paper.preferred = provider;
                        word = word.prefer(provider);
                    }
                    Throw::Exclude(provider) => {
                        paper.excluded.insert(provider);
                        word = word.exclude(provider, true);
                    }
                    Throw::Restore(provider) => {
                        paper.excluded.remove(&provider);
                        word = word.exclude(provider, false);
                    }
                    Throw::Manual(manual) => {
                        paper.is_manual = manual;
                        word = word.manual(manual);
                    }
                }
                let mut order = Vec::new();
                let mut tried = 0;
                while let Some(provider) = word.next(tried, count) {
                    order.push(provider);
                    tried |= 1 << provider;
                    prop_assert!(order.len() <= count, "each at most once");
                }
                prop_assert_eq!(order, paper.order(count));
                prop_assert_eq!(word.first(count), paper.order(count).first().copied());
                prop_assert_eq!((word.preferred(), word.is_manual()), (paper.preferred, paper.is_manual));
                prop_assert_eq!(Word::from_bits(word.bits()), word);
            }
        }
    }
}
