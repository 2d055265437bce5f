/// All of the semaphore's numbers in one word: permits taken, whether anybody waits, and the limit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(pub(super) u64);

impl Word {
    pub(super) const MAX_LIMIT: usize = (1 << 31) - 1;
    const TAKEN: u64 = (1 << 31) - 1;
    const QUEUED: u64 = 1 << 31;
    const LIMIT_SHIFT: u32 = 32;

    pub(super) const fn new(limit: usize) -> Self {
        Self((limit as u64) << Self::LIMIT_SHIFT)
    }

    pub(super) const fn taken(self) -> u64 {
        self.0 & Self::TAKEN
    }

    pub(super) const fn limit(self) -> u64 {
        self.0 >> Self::LIMIT_SHIFT
    }

    pub(super) const fn is_queued(self) -> bool {
        self.0 & Self::QUEUED != 0
    }

    pub(super) const fn has_room(self) -> bool {
        self.taken() < self.limit()
    }

    pub(super) const fn with_queued(self, queued: bool) -> Self {
        Self(self.0 & !Self::QUEUED | if queued { Self::QUEUED } else { 0 })
    }

    pub(super) const fn take_one(self) -> Self {
        Self(self.0 + 1)
    }

    pub(super) const fn with_limit(self, limit: usize) -> Self {
        Self(self.0 & (Self::TAKEN | Self::QUEUED) | Self::new(limit).0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_limit_has_room_for_the_mark_beside_it() {
        let word = Word::new(Word::MAX_LIMIT).with_queued(true).take_one();
        assert_eq!((word.limit(), word.taken(), word.is_queued()), (Word::MAX_LIMIT as u64, 1, true));
        let full = Word(word.0 | Word::TAKEN);
        assert!(!full.has_room());
        assert_eq!(full.with_limit(1).taken(), Word::TAKEN);
        assert!(!full.with_queued(false).is_queued());
    }
}
