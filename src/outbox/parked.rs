use super::message::Message;

/// A message that was set aside for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parked {
    /// The message, as it was inserted, and how many attempts failed.
    pub message: Message,
    /// Why it was parked.
    pub reason: String,
}

impl Parked {
    /// For stores.
    pub fn new(message: Message, reason: impl Into<String>) -> Self {
        Self { message, reason: reason.into() }
    }
}

/// What a parked message means for those behind it in its topic. Stores match on it, so it grows in a breaking version only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ParkedHead {
    /// They wait until a person has settled it: nothing overtakes it.
    #[default]
    Blocks,
    /// They are delivered without it. Once unparked, it comes before those that are not delivered yet.
    IsSteppedOver,
}
