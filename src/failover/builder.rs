use std::fmt;
use std::sync::Arc;

use tower_service::Service;

use super::provider::Instance;
use super::service::Failover;
use super::shared::Shared;
use super::switches::Switches;
use super::word::MAX_PROVIDERS;
use crate::config::{InvalidConfig, check_count};

/// Puts a [`Failover`] together. Made by [`Failover::new`].
#[must_use = "a builder does nothing until it is built"]
pub struct FailoverBuilder<R, Request, T, E> {
    name: Arc<str>,
    rules: R,
    providers: Vec<(Arc<str>, Instance<Request, T, E>)>,
    rejects_when_all_excluded: bool,
}

impl<R, Request, T, E> Failover<R, Request, T, E> {
    /// Starts a failover. The name goes into its rejections and events; `rules` judge the results, say which requests may
    /// be sent elsewhere, and copy them.
    #[allow(clippy::new_ret_no_self, reason = "it reads as the start of a sentence: new, to, to, build")]
    pub fn new(name: impl Into<Arc<str>>, rules: R) -> FailoverBuilder<R, Request, T, E> {
        FailoverBuilder { name: name.into(), rules, providers: Vec::new(), rejects_when_all_excluded: false }
    }
}

impl<R, Request, T, E> FailoverBuilder<R, Request, T, E> {
    /// Adds a provider, after those that are there already. It is usually a stack with a circuit breaker of its own.
    ///
    /// All have the same request, response and error; `map_request`, `map_response` and `map_err` of
    /// `tower::ServiceBuilder` fit those in that do not, as in the second example of [the module](super).
    pub fn to<S>(mut self, name: impl Into<Arc<str>>, service: S) -> Self
    where
        S: Service<Request, Response = T, Error = E> + Clone + Send + 'static,
        S::Future: Send + 'static,
    {
        self.providers.push((name.into(), Instance::new(service)));
        self
    }

    /// Rejects requests with [`Rejection::AllUnavailable`](crate::Rejection::AllUnavailable) while all providers are
    /// excluded by hand. The default is to send them to the preferred one: whoever excludes the last provider mostly meant
    /// to restore another one first.
    pub const fn reject_when_all_excluded(mut self) -> Self {
        self.rejects_when_all_excluded = true;
        self
    }

    /// The failover.
    ///
    /// # Errors
    ///
    /// If there is no provider, if there are more than 32, or if two of them have the same name.
    pub fn build(self) -> Result<Failover<R, Request, T, E>, InvalidConfig> {
        let Self { name, rules, providers, rejects_when_all_excluded } = self;
        let subject = || format!("failover `{name}`");
        check_count("providers", providers.len(), MAX_PROVIDERS).map_err(|error| error.of(subject))?;
        let (names, spares): (Vec<_>, Vec<_>) = providers.into_iter().unzip();
        if let Some(twice) = (1..names.len()).find(|&at| names[..at].contains(&names[at])) {
            let error = InvalidConfig::new("to", &names[twice], "a name that no other provider has");
            return Err(error.of(subject));
        }
        let switches = Arc::new(Switches::new(name, names.into(), rejects_when_all_excluded));
        Ok(Failover::from_shared(Arc::new(Shared { rules, switches, spares: spares.into() })))
    }
}

impl<R: fmt::Debug, Request, T, E> fmt::Debug for FailoverBuilder<R, Request, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let providers: Vec<_> = self.providers.iter().map(|(name, _)| name).collect();
        f.debug_struct("FailoverBuilder")
            .field("name", &self.name)
            .field("rules", &self.rules)
            .field("providers", &providers)
            .finish_non_exhaustive()
    }
}
