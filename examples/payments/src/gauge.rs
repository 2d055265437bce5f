//! Whether whoever calls a provider holds a connection to the database meanwhile. Each request says it in a header, and the
//! provider counts: so it is counted, not assumed, and a crash of the service takes no count with it.

use std::cell::Cell;

tokio::task_local! {
    /// How many connections the task has checked out.
    static HELD: Cell<u32>;
}

/// The header of a request to a provider: how many connections the caller holds, or nothing if nobody observes it.
pub const HEADER: &str = "x-connections-held";

/// Runs `future` so that the connections that it checks out are seen.
pub async fn observed<F: Future>(future: F) -> F::Output {
    HELD.scope(Cell::new(0), future).await
}

/// A connection is checked out until this is dropped.
#[derive(Debug)]
#[must_use = "it counts until it is dropped"]
pub struct Holding(());

/// Called by whoever checks a connection out. Does nothing in a task that nobody observes.
pub fn holding() -> Holding {
    let _ = HELD.try_with(|held| held.set(held.get() + 1));
    Holding(())
}

/// How many connections this task holds. `None` if nobody observes it.
pub fn held() -> Option<u32> {
    HELD.try_with(Cell::get).ok()
}

impl Drop for Holding {
    fn drop(&mut self) {
        let _ = HELD.try_with(|held| held.set(held.get().saturating_sub(1)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_is_held_until_it_is_given_back() {
        observed(async {
            assert_eq!(held(), Some(0));
            let first = holding();
            let second = holding();
            assert_eq!(held(), Some(2));
            drop(first);
            drop(second);
            assert_eq!(held(), Some(0));
        })
        .await;
        assert_eq!(held(), None);
    }
}
