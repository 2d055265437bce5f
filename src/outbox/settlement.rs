use std::time::Duration;

/// What becomes of a message once its delivery ended. It ends the claim, whatever it is.
///
/// Stores match on it, and one that does not know all of them would lose messages: so it grows in a breaking version only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// It is delivered. Its row is kept as done until it is deleted.
    Done,
    /// It is delivered again.
    Again {
        /// How long from now.
        after: Duration,
        /// How many attempts failed by now.
        attempts: u32,
        /// Why, for whoever looks.
        reason: String,
    },
    /// It is set aside for a person, and not delivered before it is unparked.
    Parked {
        /// How many attempts failed by now.
        attempts: u32,
        /// Why, for that person.
        reason: String,
    },
}
