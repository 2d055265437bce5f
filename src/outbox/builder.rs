use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::SmallRng;

use super::numbers::Numbers;
use super::parked::ParkedHead;
use super::relay::Relay;
use crate::backoff::Backoff;
use crate::config::{InvalidConfig, check_count, check_positive};

/// The longest that a delivery may take: a lease of twice that outlives every outage that a person does not see.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// Notifications are hints, and some get lost: a relay that looks more rarely is as good as stopped.
const MAX_POLL: Duration = Duration::from_secs(60 * 60);

/// What is tried more often is not going to succeed, and the wait before each attempt is counted out from the first.
const MAX_ATTEMPTS: u32 = 10_000;

/// Builds a [`Relay`]. Made by [`Relay::builder`].
///
/// | setter | default |
/// |---|---|
/// | [`topics_at_once`](Self::topics_at_once) | 16 |
/// | [`timeout`](Self::timeout) | 30 s |
/// | [`backoff`](Self::backoff) | from 1 s, doubling up to 5 min, with jitter down to half |
/// | [`max_attempts`](Self::max_attempts) | 20, within half an hour to an hour |
/// | [`max_lapses`](Self::max_lapses) | 10 |
/// | [`parked_head`](Self::parked_head) | blocks its topic |
/// | [`poll_every`](Self::poll_every) | 1 s |
/// | [`keep_done_for`](Self::keep_done_for) | 1 day |
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct RelayBuilder<St, S, R> {
    name: Arc<str>,
    store: St,
    service: S,
    rules: R,
    numbers: Numbers,
    seed: Option<u64>,
}

impl<St, S, R> Relay<St, S, R> {
    /// Starts with the defaults. `name` is for events; `rules` judge what `service` returns.
    pub fn builder(name: impl Into<Arc<str>>, store: St, service: S, rules: R) -> RelayBuilder<St, S, R> {
        let numbers = Numbers {
            topics_at_once: 16,
            timeout: Duration::from_secs(30),
            backoff: Backoff::exponential(Duration::from_secs(1)).max(Duration::from_secs(300)),
            max_attempts: 20,
            max_lapses: 10,
            parked: ParkedHead::Blocks,
            poll_every: Duration::from_secs(1),
            keep_done_for: Duration::from_secs(24 * 60 * 60),
        };
        RelayBuilder { name: name.into(), store, service, rules, numbers, seed: None }
    }
}

impl<St, S, R> RelayBuilder<St, S, R> {
    /// How many messages are in flight at once at most, each of another topic. From 1 to 10,000.
    pub fn topics_at_once(mut self, topics: usize) -> Self {
        self.numbers.topics_at_once = topics;
        self
    }

    /// How long one delivery may take, with all its attempts within the service. It is dropped then, and counts as an attempt
    /// that failed with a timeout; [`deadline()`](crate::deadline()) says until when. A message is leased for twice as long,
    /// and that is also how long it rests when its relay dies. At most a day.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.numbers.timeout = timeout;
        self
    }

    /// How long to pause after a failed attempt, in addition to what the upstream asks for.
    pub fn backoff(mut self, backoff: impl Into<Backoff>) -> Self {
        self.numbers.backoff = backoff.into();
        self
    }

    /// How many attempts may fail; then the message is parked. From 1 to 10,000.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.numbers.max_attempts = attempts;
        self
    }

    /// How many leases of a message may run out in a row, unsettled; then it is parked, undelivered: a message that kills
    /// its process would do so for ever. At least 1. As many more are let pass as claims of this relay have failed: what those
    /// leased ran out unseen.
    pub fn max_lapses(mut self, lapses: u32) -> Self {
        self.numbers.max_lapses = lapses;
        self
    }

    /// Whether a parked message blocks those behind it in its topic.
    pub fn parked_head(mut self, parked: ParkedHead) -> Self {
        self.numbers.parked = parked;
        self
    }

    /// How often the store is asked for messages that nobody [notified](super::RelayHandle::notify) the relay of. Those that
    /// it knows of are found when they are due. At most an hour.
    pub fn poll_every(mut self, interval: Duration) -> Self {
        self.numbers.poll_every = interval;
        self
    }

    /// How long a message that is done is kept, so that its id stays taken. `Duration::MAX` keeps it for ever.
    pub fn keep_done_for(mut self, duration: Duration) -> Self {
        self.numbers.keep_done_for = duration;
        self
    }

    /// Draws the jitter from this seed, for tests. The default is a random one.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The relay. It does nothing until it [runs](Relay::run).
    ///
    /// # Errors
    ///
    /// If a number is out of its bounds, or the backoff contradicts itself.
    pub fn build(self) -> Result<Relay<St, S, R>, InvalidConfig> {
        let Self { name, store, service, rules, numbers, seed } = self;
        validate(&numbers).map_err(|error| error.of(|| format!("relay `{name}`")))?;
        let rng = seed.map_or_else(rand::make_rng, SmallRng::seed_from_u64);
        Ok(Relay::new(name, store, service, rules, numbers, rng))
    }
}

fn validate(numbers: &Numbers) -> Result<(), InvalidConfig> {
    check_count("topics_at_once", numbers.topics_at_once, 10_000)?;
    check_positive("timeout", numbers.timeout)?;
    if numbers.timeout > MAX_TIMEOUT {
        return Err(InvalidConfig::new("timeout", numbers.timeout, format!("at most {MAX_TIMEOUT:?}, a day")));
    }
    numbers.backoff.validate_as("backoff")?;
    check_count("max_attempts", numbers.max_attempts as usize, MAX_ATTEMPTS as usize)?;
    check_count("max_lapses", numbers.max_lapses as usize, usize::MAX)?;
    check_positive("poll_every", numbers.poll_every)?;
    if numbers.poll_every > MAX_POLL {
        return Err(InvalidConfig::new("poll_every", numbers.poll_every, format!("at most {MAX_POLL:?}, an hour")));
    }
    Ok(())
}
