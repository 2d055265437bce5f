//! The switches of a failover: one word for the requests, and a note of who threw each.

use std::sync::Arc;

use tokio::time::Instant;

use super::status::{ProviderStatus, Status, Switch};
use super::word::Word;
use crate::config::InvalidConfig;
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering, PoisonError};

pub(super) struct Switches {
    pub(super) name: Arc<str>,
    pub(super) providers: Box<[Arc<str>]>,
    rejects_when_all_excluded: bool,
    word: AtomicU64,
    /// How often a request moved on from each provider.
    moved_on: Box<[AtomicU64]>,
    thrown: Mutex<Thrown>,
}

/// Who threw each of the switches that are on.
struct Thrown {
    manual: Option<Switch>,
    preferred: Option<Switch>,
    excluded: Box<[Option<Switch>]>,
}

impl Switches {
    pub(super) fn new(name: Arc<str>, providers: Box<[Arc<str>]>, rejects_when_all_excluded: bool) -> Self {
        let count = providers.len();
        Self {
            name,
            providers,
            rejects_when_all_excluded,
            word: AtomicU64::new(Word::default().bits()),
            moved_on: (0..count).map(|_| AtomicU64::new(0)).collect(),
            thrown: Mutex::new(Thrown { manual: None, preferred: None, excluded: vec![None; count].into() }),
        }
    }

    /// What the switches say to a request that starts now.
    #[inline]
    pub(super) fn read(&self) -> Word {
        let word = Word::from_bits(self.word.load(Ordering::Acquire));
        if word.first(self.providers.len()).is_some() || self.rejects_when_all_excluded {
            return word;
        }
        // All are excluded: the first one, and no other.
        Word::default().prefer(word.preferred()).manual(true)
    }

    pub(super) fn count_move(&self, provider: usize) {
        self.moved_on[provider].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn prefer(&self, provider: &str, by: &Arc<str>) -> Result<(), InvalidConfig> {
        let index = self.index(provider)?;
        self.throw("prefer", Some(provider), by, |word, thrown, switch| {
            thrown.preferred = Some(switch);
            word.prefer(index)
        });
        Ok(())
    }

    pub(super) fn exclude(&self, provider: &str, excluded: bool, by: &Arc<str>) -> Result<(), InvalidConfig> {
        let index = self.index(provider)?;
        let name = if excluded { "exclude" } else { "restore" };
        self.throw(name, Some(provider), by, |word, thrown, switch| {
            thrown.excluded[index] = excluded.then_some(switch);
            word.exclude(index, excluded)
        });
        Ok(())
    }

    pub(super) fn manual(&self, manual: bool, by: &Arc<str>) {
        let name = if manual { "manual" } else { "automatic" };
        self.throw(name, None, by, |word, thrown, switch| {
            thrown.manual = manual.then_some(switch);
            word.manual(manual)
        });
    }

    pub(super) fn status(&self) -> Status {
        let thrown = self.thrown();
        let word = Word::from_bits(self.word.load(Ordering::Acquire));
        let providers = self.providers.iter().enumerate().map(|(index, name)| ProviderStatus {
            name: Arc::clone(name),
            is_preferred: word.preferred() == index,
            excluded: thrown.excluded[index].clone(),
            moved_on: self.moved_on[index].load(Ordering::Relaxed),
        });
        Status {
            name: Arc::clone(&self.name),
            manual: thrown.manual.clone(),
            preferred: thrown.preferred.clone(),
            first: self.read().first(self.providers.len()).map(|first| Arc::clone(&self.providers[first])),
            providers: providers.collect(),
        }
    }

    fn index(&self, provider: &str) -> Result<usize, InvalidConfig> {
        self.providers.iter().position(|name| **name == *provider).ok_or_else(|| {
            let names: Vec<_> = self.providers.iter().map(|name| format!("`{name}`")).collect();
            InvalidConfig::new("provider", provider, format!("one of {}", names.join(", ")))
                .of(|| format!("failover `{}`", self.name))
        })
    }

    /// The note and the word change together, so that they never disagree.
    fn throw(
        &self,
        switch: &'static str,
        provider: Option<&str>,
        by: &Arc<str>,
        change: impl FnOnce(Word, &mut Thrown, Switch) -> Word,
    ) {
        let mut thrown = self.thrown();
        let word = Word::from_bits(self.word.load(Ordering::Relaxed));
        let word = change(word, &mut thrown, Switch { by: Arc::clone(by), at: Instant::now() });
        self.word.store(word.bits(), Ordering::Release);
        drop(thrown);
        tracing::info!(failover = &*self.name, switch, provider, by = &**by, "failover switch thrown");
    }

    fn thrown(&self) -> MutexGuard<'_, Thrown> {
        self.thrown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
