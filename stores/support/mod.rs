//! What the tests of all stores are written with.

#![allow(dead_code, reason = "each test crate uses some of it")]

pub(crate) mod backlog;
pub(crate) mod killed;
pub(crate) mod upstream;

use std::sync::atomic::{AtomicU64, Ordering};

use windbreak::outbox::Message;

/// A name that no other test has, in this process and in those beside it.
pub(crate) fn unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("t{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The message `a/1` of the topic `a`.
pub(crate) fn message(id: &str) -> Message {
    Message::new(id).topic(id.split('/').next().expect("a topic"))
}
