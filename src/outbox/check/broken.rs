/// A fact that does not hold of a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not true of this store: {fact}; {detail}")]
#[non_exhaustive]
pub struct Broken {
    /// The fact.
    pub fact: &'static str,
    /// What was seen instead.
    pub detail: String,
}
