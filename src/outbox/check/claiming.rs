//! What is claimed, and in which order.

use super::fact::{Fact, Seen, again, claim, claim_one, claims_nothing, equal, ids, insert, message, parked, settle};
use super::fact::{LONG, SHORT, lapse};
use crate::outbox::error::StoreError;
use crate::outbox::message::Message;
use crate::outbox::parked::ParkedHead;
use crate::outbox::settlement::Settlement;
use crate::outbox::store::Store;

pub(super) async fn comes_as_it_was_inserted<St: Store>(store: &St) -> Fact {
    let all_bytes: Vec<u8> = (0..=u8::MAX).collect();
    let inserted = Message::new("order-7/ü'\"\\%").topic("töpic '\"\\%").payload(all_bytes);
    store.insert(&inserted).await?;
    let claimed = claim_one(store, &inserted.id).await?;
    equal("id", &claimed.message.id, &inserted.id)?;
    equal("topic", &claimed.message.topic, &inserted.topic)?;
    equal("payload", &claimed.message.payload, &inserted.payload)?;
    equal("claimed id", &claimed.claim.id, &inserted.id)?;
    equal("attempts and lapses", (claimed.message.attempts, claimed.lapses), (0, 0))?;

    let empty = Message::new("").topic("");
    store.insert(&empty).await?;
    let claimed = claim_one(store, "").await?;
    equal("payload", claimed.message.payload.len(), 0)
}

pub(super) async fn an_id_is_taken_until_its_row_is_deleted<St: Store>(store: &St) -> Fact {
    let is_refused = async || -> Fact {
        match store.insert(&message("a/1").topic("other").payload("other")).await {
            Err(StoreError::Duplicate { id }) => equal("id", id.as_str(), "a/1"),
            result => Err(Seen::new(format!("inserting the id again returned {result:?}"))),
        }
    };
    insert(store, &["a/1"]).await?;
    is_refused().await?;
    let claimed = claim_one(store, "a/1").await?;
    equal("payload", claimed.message.payload.len(), 0)?;
    is_refused().await?;
    settle(store, &claimed.claim, &parked(1)).await?;
    is_refused().await?;
    equal("unparked", store.unpark("a/1").await?, true)?;
    let claimed = claim_one(store, "a/1").await?;
    settle(store, &claimed.claim, &Settlement::Done).await?;
    is_refused().await?;
    equal("deleted", store.delete_done(std::time::Duration::ZERO, 10).await?, 1)?;
    insert(store, &["a/1"]).await?;
    claim_one(store, "a/1").await.map(drop)
}

pub(super) async fn a_topic_is_delivered_in_order<St: Store>(store: &St) -> Fact {
    let expected = ["a/3", "a/1", "a/2", "a/10"];
    insert(store, &expected).await?;
    for id in expected {
        let claimed = claim_one(store, id).await?;
        claims_nothing(store).await?;
        settle(store, &claimed.claim, &Settlement::Done).await?;
    }
    claims_nothing(store).await
}

pub(super) async fn topics_are_claimed_in_parallel_up_to_the_limit<St: Store>(store: &St) -> Fact {
    insert(store, &["a/1", "a/2", "b/1", "c/1", "c/2", "d/1"]).await?;
    equal("claimed", ids(&claim(store, 0).await?), Vec::new())?;
    let first = claim(store, 3).await?;
    equal("claimed", first.len(), 3)?;
    let second = claim(store, 3).await?;
    equal("claimed", second.len(), 1)?;
    equal("claimed", ids(&[first, second].concat()), ["a/1", "b/1", "c/1", "d/1"].map(String::from).to_vec())?;
    claims_nothing(store).await
}

pub(super) async fn the_longest_due_comes_first<St: Store>(store: &St) -> Fact {
    store.insert(&message("late/1").due_in(SHORT)).await?;
    store.insert(&message("early/1")).await?;
    lapse().await;
    equal("claimed", ids(&claim(store, 1).await?), vec!["early/1".to_owned()])?;
    equal("claimed", ids(&claim(store, 1).await?), vec!["late/1".to_owned()])
}

pub(super) async fn what_is_not_due_holds_up_its_topic_and_no_other<St: Store>(store: &St) -> Fact {
    store.insert(&message("a/1").due_in(LONG)).await?;
    store.insert(&message("b/1").due_in(SHORT)).await?;
    insert(store, &["a/2", "b/2", "c/1"]).await?;
    lapse().await;
    equal("claimed", ids(&claim(store, 10).await?), ["b/1", "c/1"].map(String::from).to_vec())?;
    claims_nothing(store).await
}

pub(super) async fn a_message_comes_back_before_those_behind_it<St: Store>(store: &St) -> Fact {
    insert(store, &["a/1", "a/2"]).await?;
    let claimed = claim_one(store, "a/1").await?;
    settle(store, &claimed.claim, &again(SHORT, 3)).await?;
    lapse().await;
    let back = claim_one(store, "a/1").await?;
    equal("attempts", back.message.attempts, 3)?;
    equal("a larger claim number", back.claim.number > claimed.claim.number, true)?;
    settle(store, &back.claim, &again(LONG, 4)).await?;
    claims_nothing(store).await
}

/// As a row whose transaction commits late: it is behind one that is done.
pub(super) async fn a_message_is_found_whatever_was_done_before_it<St: Store>(store: &St) -> Fact {
    insert(store, &["a/1", "a/2", "b/1"]).await?;
    let claimed = claim(store, 10).await?;
    for claimed in &claimed {
        if claimed.message.id == "b/1" {
            settle(store, &claimed.claim, &Settlement::Done).await?;
        } else {
            settle(store, &claimed.claim, &parked(1)).await?;
        }
    }
    let stepped = super::fact::one(store.claim(10, LONG, ParkedHead::IsSteppedOver).await?, "a/2")?;
    settle(store, &stepped.claim, &Settlement::Done).await?;
    equal("unparked", store.unpark("a/1").await?, true)?;
    claim_one(store, "a/1").await.map(drop)
}
