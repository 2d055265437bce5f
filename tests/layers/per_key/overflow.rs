//! Keys that find no room share one layer, and a warning says so once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::advance;
use windbreak::Error;

use super::helpers::{ask, breakers, odd_is_well, open_circuit};
use crate::support::listening::listen;

#[tokio::test(start_paused = true)]
async fn keys_that_find_no_room_share_one_layer_until_there_is() {
    let layer = breakers(2, Duration::from_secs(10)).max_idle(Duration::from_secs(60));
    let client = odd_is_well(&layer);
    for key in [2, 4] {
        assert_eq!(ask(&client, key).await, Err(Error::Service("down")));
    }
    assert!(layer.overflow().is_none());
    assert_eq!(ask(&client, 6).await, Err(Error::Service("down")));
    // What is shared is shared for better or worse.
    assert_eq!(open_circuit(&ask(&client, 7).await.unwrap_err()), "6");
    assert_eq!((layer.keys(), *layer.overflow().unwrap().key()), (2, 6));
    advance(Duration::from_secs(61)).await;
    assert_eq!(ask(&client, 7).await, Ok(7));
    assert!(layer.get(&7).is_some());
}

#[tokio::test]
async fn that_keys_share_a_layer_is_told_once() {
    let warnings = Arc::new(AtomicUsize::new(0));
    let subscriber = Warnings(Arc::clone(&warnings));
    let _listening = listen(subscriber);
    let layer = breakers(1, Duration::MAX);
    let client = odd_is_well(&layer);
    for key in [2, 4, 6, 7, 8] {
        let _ = ask(&client, key).await;
    }
    assert_eq!(warnings.load(Ordering::Relaxed), 1);
}

/// Counts what is told of keys as a warning.
struct Warnings(Arc<AtomicUsize>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN && metadata.target().contains("per_key")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}
