//! Leases, and what many relays do at once.

use std::collections::HashSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use super::fact::{
    Fact, LONG, Seen, cannot_settle, claim_and_lapse, claim_one, claims_nothing, equal, insert, message, settle,
};
use crate::outbox::claim::{Claim, Claimed};
use crate::outbox::error::StoreError;
use crate::outbox::parked::ParkedHead;
use crate::outbox::settlement::Settlement;
use crate::outbox::store::Store;

pub(super) async fn a_lost_lease_changes_nothing<St: Store>(store: &St) -> Fact {
    insert(store, &["a/1", "a/2"]).await?;
    let lost = claim_and_lapse(store, "a/1").await?;
    let held = claim_one(store, "a/1").await?;
    equal("a larger claim number", held.claim.number > lost.claim.number, true)?;
    cannot_settle(store, &lost.claim).await?;
    claims_nothing(store).await?;
    equal("parked", store.parked(0, 10).await?.len(), 0)?;
    settle(store, &held.claim, &Settlement::Done).await?;
    claim_one(store, "a/2").await.map(drop)
}

pub(super) async fn a_lease_that_nobody_took_holds_after_it_ran_out<St: Store>(store: &St) -> Fact {
    insert(store, &["a/1"]).await?;
    let claimed = claim_and_lapse(store, "a/1").await?;
    settle(store, &claimed.claim, &Settlement::Done).await?;
    claims_nothing(store).await
}

pub(super) async fn a_claim_is_settled_once<St: Store>(store: &St) -> Fact {
    insert(store, &["a/1", "b/1", "c/1"]).await?;
    let settlements = [Settlement::Done, super::fact::again(LONG, 1), super::fact::parked(1)];
    let claimed = super::fact::claim(store, 10).await?;
    equal("claimed", claimed.len(), settlements.len())?;
    for (claimed, settlement) in claimed.iter().zip(&settlements) {
        settle(store, &claimed.claim, settlement).await?;
        cannot_settle(store, &claimed.claim).await?;
    }
    equal("parked", store.parked(0, 10).await?.len(), 1)?;
    claims_nothing(store).await
}

pub(super) async fn what_was_never_claimed_cannot_be_settled<St: Store>(store: &St) -> Fact {
    cannot_settle(store, &Claim::new("unknown", 1)).await?;
    insert(store, &["a/1"]).await?;
    cannot_settle(store, &Claim::new("a/1", 0)).await?;
    cannot_settle(store, &Claim::new("a/1", 1)).await?;
    let claimed = claim_one(store, "a/1").await?;
    cannot_settle(store, &Claim::new("a/1", claimed.claim.number + 1)).await?;
    cannot_settle(store, &Claim::new("a/1", u64::MAX)).await?;
    settle(store, &claimed.claim, &Settlement::Done).await
}

pub(super) async fn leases_that_ran_out_are_counted_until_one_is_settled<St: Store>(store: &St) -> Fact {
    insert(store, &["a/1"]).await?;
    for lapses in 0..3 {
        equal("lapses", claim_and_lapse(store, "a/1").await?.lapses, lapses)?;
    }
    let claimed = claim_one(store, "a/1").await?;
    equal("lapses and attempts", (claimed.lapses, claimed.message.attempts), (3, 0))?;
    settle(store, &claimed.claim, &super::fact::again(std::time::Duration::ZERO, 0)).await?;
    equal("lapses", claim_one(store, "a/1").await?.lapses, 0)
}

/// What may have taken effect is delivered again before anything else of its topic.
pub(super) async fn what_ran_out_comes_before_those_behind_it<St: Store>(store: &St) -> Fact {
    insert(store, &["a/1", "a/2"]).await?;
    claim_and_lapse(store, "a/1").await?;
    claim_one(store, "a/1").await?;
    claims_nothing(store).await
}

/// Eight relays at a time, until nothing is left.
pub(super) async fn many_relays_share_the_work_and_keep_the_order<St: Store>(store: &St) -> Fact {
    const TOPICS: usize = 5;
    const EACH: usize = 6;
    for place in 0..EACH {
        for topic in 0..TOPICS {
            store.insert(&message(&format!("{topic}/{place}"))).await?;
        }
    }
    let mut next = [0; TOPICS];
    let mut left = TOPICS * EACH;
    while left > 0 {
        let claims = (0..8).map(|_| Box::pin(store.claim(2, LONG, ParkedHead::Blocks)) as Claiming<'_>);
        let claimed: Vec<Claimed> = together(claims.collect()).await?.concat();
        equal("something is claimed", claimed.is_empty(), false)?;
        let topics: HashSet<_> = claimed.iter().map(|claimed| claimed.message.topic.as_str()).collect();
        equal("one of a topic is in flight", claimed.len(), topics.len())?;
        for claimed in &claimed {
            let topic: usize = claimed.message.topic.parse().map_err(|_| Seen::new("a topic that was not inserted"))?;
            equal("next of its topic", &claimed.message.id, &format!("{topic}/{}", next[topic]))?;
            next[topic] += 1;
            settle(store, &claimed.claim, &Settlement::Done).await?;
        }
        left -= claimed.len();
    }
    claims_nothing(store).await
}

type Claiming<'a> = Pin<Box<dyn Future<Output = Result<Vec<Claimed>, StoreError>> + Send + 'a>>;

/// Polls all until all have ended.
async fn together(mut futures: Vec<Claiming<'_>>) -> Result<Vec<Vec<Claimed>>, StoreError> {
    let mut ended = Vec::new();
    poll_fn(|cx| {
        futures.retain_mut(|future| match future.as_mut().poll(cx) {
            Poll::Ready(result) => {
                ended.push(result);
                false
            }
            Poll::Pending => true,
        });
        if futures.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    ended.into_iter().collect()
}
