use super::message::Message;

/// A message, leased to a relay until it is settled or the lease runs out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claimed {
    /// The message.
    pub message: Message,
    /// What settles it.
    pub claim: Claim,
    /// How many claims in a row ended without being settled, because their lease ran out: whoever held it died, or could
    /// not reach the store.
    pub lapses: u32,
}

impl Claimed {
    /// For stores: a message that was just claimed.
    #[must_use]
    pub const fn new(message: Message, claim: Claim, lapses: u32) -> Self {
        Self { message, claim, lapses }
    }
}

/// The fence: the message that was claimed, and a number of that claim. Later claims under the same id have larger numbers,
/// also once the message was deleted and another one has its id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Claim {
    /// The message's id.
    pub id: String,
    /// Larger than that of every claim before, under this id.
    pub number: u64,
}

impl Claim {
    /// For stores: a claim of the message `id`.
    pub fn new(id: impl Into<String>, number: u64) -> Self {
        Self { id: id.into(), number }
    }
}

/// Whether a claim still held when it was to be settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use = "a lost lease changed nothing"]
pub enum Lease {
    /// It held, and the message is settled. A lease that ran out holds on until another claim takes the message.
    Held,
    /// It did not, and nothing changed: the lease ran out and the message was claimed again, or it is settled already.
    Lost,
}
