//! What is set aside for a person.

use super::fact::{Fact, LONG, claim, claim_one, claims_nothing, equal, insert, message, one, parked, settle};
use crate::outbox::claim::Claimed;
use crate::outbox::parked::ParkedHead;
use crate::outbox::settlement::Settlement;
use crate::outbox::store::Store;

pub(super) async fn a_parked_head_blocks_its_topic_or_is_stepped_over<St: Store>(store: &St) -> Fact {
    insert(store, &["a/1", "a/2"]).await?;
    let claimed = claim_one(store, "a/1").await?;
    settle(store, &claimed.claim, &parked(1)).await?;
    claims_nothing(store).await?;
    let next = one(store.claim(10, LONG, ParkedHead::IsSteppedOver).await?, "a/2")?;
    settle(store, &next.claim, &Settlement::Done).await?;
    claims_nothing(store).await?;
    equal("claimed", store.claim(10, LONG, ParkedHead::IsSteppedOver).await?.len(), 0)
}

pub(super) async fn parked_messages_are_listed_with_their_reasons<St: Store>(store: &St) -> Fact {
    let inserted = ["c/1", "a/1", "b/1"];
    for id in inserted {
        store.insert(&message(id).payload(id)).await?;
    }
    for claimed in claim(store, 10).await? {
        let Claimed { message, claim, .. } = claimed;
        let reason = format!("{} is declined", message.id);
        settle(store, &claim, &Settlement::Parked { attempts: 7, reason }).await?;
    }
    let listed = store.parked(0, 10).await?;
    let ids = |listed: &[crate::outbox::parked::Parked]| -> Vec<String> {
        listed.iter().map(|parked| parked.message.id.clone()).collect()
    };
    equal("parked", ids(&listed), inserted.map(String::from).to_vec())?;
    for parked in &listed {
        equal("reason", &parked.reason, &format!("{} is declined", parked.message.id))?;
        equal("payload", parked.message.payload.as_slice(), parked.message.id.as_bytes())?;
        equal("attempts", parked.message.attempts, 7)?;
    }
    equal("parked", ids(&store.parked(0, 2).await?), vec!["c/1".to_owned(), "a/1".to_owned()])?;
    equal("parked", ids(&store.parked(2, 2).await?), vec!["b/1".to_owned()])?;
    equal("parked", store.parked(3, 2).await?.len(), 0)
}

/// It is what an upstream said. A store that cannot keep each character of it replaces those.
pub(super) async fn a_reason_may_be_any_text<St: Store>(store: &St) -> Fact {
    insert(store, &["a/1"]).await?;
    let claimed = claim_one(store, "a/1").await?;
    let reason = "ü'\"\\%\0\u{1f4b8}\n".to_owned();
    settle(store, &claimed.claim, &Settlement::Parked { attempts: 1, reason: reason.clone() }).await?;
    let listed = store.parked(0, 10).await?;
    let kept = listed.first().map(|parked| parked.reason.chars().count());
    equal("characters of the reason", kept, Some(reason.chars().count()))
}

pub(super) async fn an_unparked_message_keeps_its_id_and_its_place<St: Store>(store: &St) -> Fact {
    insert(store, &["a/1", "a/2"]).await?;
    let claimed = claim_one(store, "a/1").await?;
    settle(store, &claimed.claim, &parked(5)).await?;
    equal("unparked", store.unpark("a/1").await?, true)?;
    equal("unparked again", store.unpark("a/1").await?, false)?;
    equal("parked", store.parked(0, 10).await?.len(), 0)?;
    super::fact::cannot_settle(store, &claimed.claim).await?;
    let back = one(store.claim(10, LONG, ParkedHead::IsSteppedOver).await?, "a/1")?;
    equal("attempts", back.message.attempts, 0)?;
    equal("a larger claim number", back.claim.number > claimed.claim.number, true)
}

pub(super) async fn only_what_is_parked_is_unparked<St: Store>(store: &St) -> Fact {
    equal("unparked", store.unpark("unknown").await?, false)?;
    store.insert(&message("a/1").due_in(LONG)).await?;
    insert(store, &["b/1", "c/1"]).await?;
    equal("claimed", claim(store, 1).await?.len(), 1)?;
    for claimed in claim(store, 1).await? {
        settle(store, &claimed.claim, &Settlement::Done).await?;
    }
    for id in ["a/1", "b/1", "c/1"] {
        equal("unparked", store.unpark(id).await?, false)?;
    }
    claims_nothing(store).await
}
