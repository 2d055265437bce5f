//! What all facts are written with.

use std::fmt::Debug;
use std::time::Duration;

use super::broken::Broken;
use crate::error::chain;
use crate::outbox::claim::{Claim, Claimed, Lease};
use crate::outbox::error::StoreError;
use crate::outbox::message::Message;
use crate::outbox::parked::ParkedHead;
use crate::outbox::settlement::Settlement;
use crate::outbox::store::Store;

/// A lease, or a wait, that does not end while a fact is looked at, however slow the store is.
pub(super) const LONG: Duration = Duration::from_secs(3_600);

/// A lease, or a wait, that has ended after [`lapse`].
pub(super) const SHORT: Duration = Duration::from_millis(20);

/// What was seen instead of a fact.
#[derive(Debug)]
pub(super) struct Seen(String);

pub(super) type Fact = Result<(), Seen>;

impl Seen {
    pub(super) fn of(self, fact: &'static str) -> Broken {
        Broken { fact, detail: self.0 }
    }

    pub(super) fn new(detail: impl Into<String>) -> Self {
        Self(detail.into())
    }
}

impl From<StoreError> for Seen {
    fn from(error: StoreError) -> Self {
        Self(chain(&error))
    }
}

/// Waits until all that was [`SHORT`] is over, by a clock that may count in milliseconds and be another machine's.
pub(super) async fn lapse() {
    tokio::time::sleep(SHORT * 5).await;
}

#[allow(clippy::needless_pass_by_value, reason = "what is compared is mostly made for it")]
pub(super) fn equal<T: PartialEq + Debug>(what: &str, seen: T, expected: T) -> Fact {
    if seen == expected { Ok(()) } else { Err(Seen(format!("{what}: {seen:?} instead of {expected:?}"))) }
}

/// Inserts messages named as `a/1`, of the topic `a`, in this order.
pub(super) async fn insert<St: Store>(store: &St, ids: &[&str]) -> Fact {
    for id in ids {
        store.insert(&message(id)).await?;
    }
    Ok(())
}

pub(super) fn message(id: &str) -> Message {
    Message::new(id).topic(id.split('/').next().unwrap_or_default())
}

/// Claims for long, where a parked head blocks its topic.
pub(super) async fn claim<St: Store>(store: &St, limit: usize) -> Result<Vec<Claimed>, Seen> {
    Ok(store.claim(limit, LONG, ParkedHead::Blocks).await?)
}

/// Claims exactly the message `id`.
pub(super) async fn claim_one<St: Store>(store: &St, id: &str) -> Result<Claimed, Seen> {
    one(claim(store, 10).await?, id)
}

/// Claims exactly the message `id`, under a lease that has run out when this returns.
pub(super) async fn claim_and_lapse<St: Store>(store: &St, id: &str) -> Result<Claimed, Seen> {
    let claimed = one(store.claim(10, SHORT, ParkedHead::Blocks).await?, id)?;
    lapse().await;
    Ok(claimed)
}

pub(super) fn one(mut claimed: Vec<Claimed>, id: &str) -> Result<Claimed, Seen> {
    equal("claimed", ids(&claimed), vec![id.to_owned()])?;
    claimed.pop().ok_or_else(|| Seen::new("nothing claimed"))
}

/// Sorted, since a store returns what it claims in any order.
pub(super) fn ids(claimed: &[Claimed]) -> Vec<String> {
    let mut ids: Vec<_> = claimed.iter().map(|claimed| claimed.message.id.clone()).collect();
    ids.sort_unstable();
    ids
}

pub(super) async fn claims_nothing<St: Store>(store: &St) -> Fact {
    equal("claimed", ids(&claim(store, 10).await?), Vec::new())
}

/// Settles a claim that holds.
pub(super) async fn settle<St: Store>(store: &St, claim: &Claim, settlement: &Settlement) -> Fact {
    equal("settled", store.settle(claim, settlement).await?, Lease::Held)
}

/// Tries to settle a claim that does not hold, in every way.
pub(super) async fn cannot_settle<St: Store>(store: &St, claim: &Claim) -> Fact {
    for settlement in [Settlement::Done, again(Duration::ZERO, 9), parked(9)] {
        equal("settled", store.settle(claim, &settlement).await?, Lease::Lost)?;
    }
    Ok(())
}

pub(super) fn again(after: Duration, attempts: u32) -> Settlement {
    Settlement::Again { after, attempts, reason: "503".to_owned() }
}

pub(super) fn parked(attempts: u32) -> Settlement {
    Settlement::Parked { attempts, reason: "declined".to_owned() }
}
