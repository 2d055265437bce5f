//! Which of several providers gave a response.

use std::borrow::Cow;
use std::sync::Arc;

/// What one provider said: its name, and in a short word what was wrong.
pub(crate) type Said = (Arc<str>, Cow<'static, str>);

/// Which provider of a failover gave a response, and what those said that did not.
///
/// A response of HTTP carries it as an extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    name: Arc<str>,
    others: Vec<Said>,
}

impl Provider {
    pub(crate) const fn new(name: Arc<str>, others: Vec<Said>) -> Self {
        Self { name, others }
    }

    /// The name that the provider has in the failover.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The other providers that were tried, in their order, and what was wrong with each, as
    /// [`Classify::error_type`](crate::rules::Classify::error_type) names it.
    #[must_use]
    pub fn others(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.others.iter().map(|(name, said)| (&**name, &**said))
    }
}
