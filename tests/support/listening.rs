//! Listening to what the library says through `tracing`.

use std::sync::LazyLock;

use tracing::subscriber::{DefaultGuard, NoSubscriber, set_default};
use tracing::{Dispatch, Subscriber};

/// `tracing` asks whether anyone wants a span or an event when it is first met. As long as there is one listener only, it asks
/// the thread that met it, and that may be of a test beside these; so there is always a second one.
static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));

/// Hears what this thread says until the guard is dropped.
pub(crate) fn listen(subscriber: impl Subscriber + Send + Sync) -> DefaultGuard {
    LazyLock::force(&SECOND);
    set_default(subscriber)
}
