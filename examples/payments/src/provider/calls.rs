use std::iter::Sum;

/// How a provider was called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    pub all: u64,
    /// By somebody who held a connection to the database meanwhile.
    pub holding: u64,
    /// By somebody who did not say.
    pub unseen: u64,
}

impl Calls {
    /// One more; `held` is what its header says.
    pub(super) fn count(&mut self, held: Option<&str>) {
        self.all += 1;
        match held {
            Some("0") => {}
            Some(_) => self.holding += 1,
            None => self.unseen += 1,
        }
    }
}

impl Sum for Calls {
    fn sum<I: Iterator<Item = Self>>(calls: I) -> Self {
        calls.fold(Self::default(), |sum, calls| Self {
            all: sum.all + calls.all,
            holding: sum.holding + calls.holding,
            unseen: sum.unseen + calls.unseen,
        })
    }
}
