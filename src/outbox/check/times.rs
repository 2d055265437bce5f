//! When the next message is due.

use std::time::Duration;

use super::fact::SHORT;
use super::fact::{Fact, LONG, again, claim_one, claims_nothing, equal, insert, lapse, message, one, parked, settle};
use crate::outbox::parked::ParkedHead;
use crate::outbox::settlement::Settlement;
use crate::outbox::store::Store;

/// Somewhat less than [`LONG`]: a store may be slow.
fn is_long(due: Option<Duration>) -> bool {
    due.is_some_and(|due| due > LONG / 2 && due <= LONG + SHORT)
}

async fn next<St: Store>(store: &St) -> Result<Option<Duration>, super::fact::Seen> {
    Ok(store.next_due(ParkedHead::Blocks).await?)
}

pub(super) async fn the_next_due_is_that_of_what_can_be_claimed<St: Store>(store: &St) -> Fact {
    equal("next due of an empty outbox", next(store).await?, None)?;
    store.insert(&message("a/1").due_in(LONG)).await?;
    insert(store, &["a/2"]).await?;
    equal("next due in an hour", is_long(next(store).await?), true)?;
    insert(store, &["b/1", "b/2"]).await?;
    lapse().await;
    equal("next due", next(store).await?, Some(Duration::ZERO))?;

    let claimed = claim_one(store, "b/1").await?;
    equal("next due as the lease runs out", is_long(next(store).await?), true)?;
    settle(store, &claimed.claim, &again(LONG * 2, 1)).await?;
    equal("next due in an hour", is_long(next(store).await?), true)?;
    claims_nothing(store).await
}

pub(super) async fn what_waits_behind_a_parked_message_is_due_if_that_is_stepped_over<St: Store>(store: &St) -> Fact {
    insert(store, &["a/1", "a/2"]).await?;
    let claimed = claim_one(store, "a/1").await?;
    settle(store, &claimed.claim, &parked(1)).await?;
    equal("next due", next(store).await?, None)?;
    lapse().await;
    equal("next due", store.next_due(ParkedHead::IsSteppedOver).await?, Some(Duration::ZERO))?;
    let claimed = one(store.claim(1, LONG, ParkedHead::IsSteppedOver).await?, "a/2")?;
    settle(store, &claimed.claim, &Settlement::Done).await?;
    equal("next due", store.next_due(ParkedHead::IsSteppedOver).await?, None)
}

pub(super) async fn the_longest_times_are_never<St: Store>(store: &St) -> Fact {
    store.insert(&message("a/1").due_in(Duration::MAX)).await?;
    insert(store, &["b/1", "c/1"]).await?;
    let claimed = store.claim(1, Duration::MAX, ParkedHead::Blocks).await?;
    equal("claimed", claimed.len(), 1)?;
    let other = store.claim(1, LONG, ParkedHead::Blocks).await?;
    equal("claimed", other.len(), 1)?;
    for other in &other {
        settle(store, &other.claim, &again(Duration::MAX, u32::MAX)).await?;
    }
    equal("deleted", store.delete_done(Duration::MAX, usize::MAX).await?, 0)?;
    let due = next(store).await?;
    equal("next due in years", due.is_none_or(|due| due > LONG * 24 * 365), true)?;
    equal("claimed", store.claim(usize::MAX, Duration::MAX, ParkedHead::Blocks).await?.len(), 0)?;
    equal("parked", store.parked(usize::MAX, usize::MAX).await?.len(), 0)
}
