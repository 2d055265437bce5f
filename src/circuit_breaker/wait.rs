//! The wait of a service that is pending while its circuit is open.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::time::{Instant, sleep_until};

use super::circuit::Circuit;
use super::watcher::StateWatcher;

/// Ready when it is worth asking the circuit again. Boxed: it is made only while a circuit is open.
pub(super) struct Wait(Pin<Box<dyn Future<Output = ()> + Send + Sync>>);

impl Wait {
    /// Until the circuit changes, by others or by time. Made before the circuit is asked, so that no change is missed.
    pub(super) fn new(circuit: &Circuit) -> Self {
        let watcher = circuit.subscribe();
        let next_change = circuit.shared().next_change();
        Self(Box::pin(either(watcher, next_change)))
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

async fn either(mut watcher: StateWatcher, next_change: Option<Instant>) {
    let moved = watcher.moved();
    let Some(next_change) = next_change else { return moved.await };
    let (mut moved, mut sleep) = (pin!(moved), pin!(sleep_until(next_change)));
    poll_fn(|cx| if moved.as_mut().poll(cx).is_ready() { Poll::Ready(()) } else { sleep.as_mut().poll(cx) }).await;
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wait")
    }
}
