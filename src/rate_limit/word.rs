use super::gcra::{NEVER, Nanos};

/// The theoretical arrival time, and beside it what makes it safe to move on without the lock.
///
/// | bits | what |
/// |---|---|
/// | 0 | whether the lock must be taken: somebody waits, all is paused, or numbers are being changed |
/// | 1, 2 | changes with every change of the rate |
/// | the others | the theoretical arrival time |
///
/// Whoever reads the numbers of the rate after the word, and then finds the word unchanged, has read numbers that belong
/// together and to the word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(pub(super) u64);

impl Word {
    const LOCKED: u64 = 1;
    const EDITION: u64 = 0b110;
    const NEXT_EDITION: u64 = 0b010;
    const TAT_SHIFT: u32 = 3;

    pub(super) const fn tat(self) -> Nanos {
        self.0 >> Self::TAT_SHIFT
    }

    pub(super) const fn is_locked(self) -> bool {
        self.0 & Self::LOCKED != 0
    }

    pub(super) fn with_tat(self, tat: Nanos) -> Self {
        Self(tat.min(NEVER) << Self::TAT_SHIFT | self.0 & (Self::EDITION | Self::LOCKED))
    }

    pub(super) const fn with_locked(self, locked: bool) -> Self {
        Self(self.0 & !Self::LOCKED | if locked { Self::LOCKED } else { 0 })
    }

    pub(super) const fn next_edition(self) -> Self {
        let edition = (self.0 & Self::EDITION).wrapping_add(Self::NEXT_EDITION) & Self::EDITION;
        Self(self.0 & !Self::EDITION | edition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_changes_without_the_others() {
        for tat in [0, 1, NEVER - 1, NEVER] {
            let mut word = Word(0).with_tat(tat);
            for _ in 0..4 {
                for locked in [true, false] {
                    let changed = word.with_locked(locked);
                    assert_eq!((changed.tat(), changed.is_locked()), (tat, locked));
                    assert_eq!(changed.with_tat(7).with_tat(tat), changed);
                    assert_eq!(changed.next_edition().is_locked(), locked);
                }
                assert_eq!(word.next_edition().tat(), tat);
                assert_ne!(word.next_edition(), word);
                assert_ne!(word.next_edition().next_edition(), word);
                word = word.next_edition();
            }
            assert_eq!(word, Word(0).with_tat(tat));
        }
        assert_eq!(Word(0).with_tat(u64::MAX).tat(), NEVER);
    }
}
