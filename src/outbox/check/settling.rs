//! What remains of a message that was settled.

use std::time::Duration;

use super::fact::{Fact, LONG, claim_and_lapse, claim_one, claims_nothing, equal, insert, lapse, settle};
use super::fact::{again, claim, parked};
use crate::outbox::settlement::Settlement;
use crate::outbox::store::Store;

pub(super) async fn done_messages_are_deleted_in_batches_and_nothing_else_is<St: Store>(store: &St) -> Fact {
    insert(store, &["a/1", "b/1", "c/1", "d/1", "e/1", "f/1", "g/1"]).await?;
    for claimed in claim(store, 10).await? {
        let settlement = match claimed.message.id.as_str() {
            "a/1" => continue,
            "b/1" => again(Duration::ZERO, 0),
            "c/1" => parked(0),
            _ => Settlement::Done,
        };
        settle(store, &claimed.claim, &settlement).await?;
    }
    lapse().await;
    equal("deleted before its time", store.delete_done(LONG, 10).await?, 0)?;
    equal("deleted", store.delete_done(Duration::from_millis(1), 3).await?, 3)?;
    equal("deleted", store.delete_done(Duration::ZERO, 3).await?, 1)?;
    equal("deleted", store.delete_done(Duration::ZERO, 3).await?, 0)?;
    equal("parked", store.parked(0, 10).await?.len(), 1)?;
    claim_one(store, "b/1").await.map(drop)
}

/// The one who held the first lease may have been asleep for long.
pub(super) async fn a_lease_lost_stays_lost_when_the_id_is_inserted_again<St: Store>(store: &St) -> Fact {
    insert(store, &["a/1"]).await?;
    let lost = claim_and_lapse(store, "a/1").await?;
    let held = claim_one(store, "a/1").await?;
    settle(store, &held.claim, &Settlement::Done).await?;
    equal("deleted", store.delete_done(Duration::ZERO, 10).await?, 1)?;
    insert(store, &["a/1"]).await?;
    for _ in 0..2 {
        let again_held = claim_and_lapse(store, "a/1").await?;
        super::fact::cannot_settle(store, &lost.claim).await?;
        super::fact::cannot_settle(store, &held.claim).await?;
        equal("a larger claim number", again_held.claim.number > held.claim.number, true)?;
    }
    Ok(())
}

pub(super) async fn a_claim_of_a_deleted_message_is_lost<St: Store>(store: &St) -> Fact {
    insert(store, &["a/1"]).await?;
    let claimed = claim_one(store, "a/1").await?;
    settle(store, &claimed.claim, &Settlement::Done).await?;
    equal("deleted", store.delete_done(Duration::ZERO, 10).await?, 1)?;
    super::fact::cannot_settle(store, &claimed.claim).await?;
    claims_nothing(store).await
}
