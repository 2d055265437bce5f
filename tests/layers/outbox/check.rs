//! The conformance suite finds a store that breaks a fact, whichever it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use windbreak::outbox::{
    self, Claim, Claimed, Lease, MemoryStore, Message, Parked, ParkedHead, Settlement, Store, StoreError,
};

/// What is wrong with a store.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Wrong {
    Nothing,
    PayloadIsCut,
    DuplicateIsAccepted,
    DueIsIgnored,
    LimitIsIgnored,
    LeaseIsShort,
    LeaseIsLong,
    LapsesAreNotCounted,
    ClaimNumberIsTheSame,
    FenceIsOpen,
    SettlesTwice,
    LeaseIsLostOnceItRanOut,
    WaitIsIgnored,
    AttemptsAreLost,
    ParkedIsDone,
    ParkedIsSteppedOver,
    ParkedBlocks,
    ReasonIsLost,
    OffsetIsIgnored,
    UnparkSaysYes,
    UnparkKeepsAttempts,
    NextDueIsNone,
    NextDueIsNow,
    DeletesTooEarly,
    DeletesMore,
    DeletesNothing,
}

struct Faulty {
    store: MemoryStore,
    wrong: Wrong,
    /// The true claim numbers, the payload and the attempts, by id.
    claims: Arc<Mutex<HashMap<String, (u64, u32)>>>,
    started: Arc<Mutex<HashMap<String, (tokio::time::Instant, Duration)>>>,
}

impl Faulty {
    fn new(wrong: Wrong) -> Self {
        Self { store: MemoryStore::new(), wrong, claims: Arc::default(), started: Arc::default() }
    }
}

impl Store for Faulty {
    async fn insert(&self, message: &Message) -> Result<(), StoreError> {
        let mut message = message.clone();
        match self.wrong {
            Wrong::PayloadIsCut => message.payload.truncate(100),
            Wrong::DueIsIgnored => message.due_in = Duration::ZERO,
            _ => {}
        }
        match self.store.insert(&message).await {
            Err(StoreError::Duplicate { .. }) if self.wrong == Wrong::DuplicateIsAccepted => Ok(()),
            result => result,
        }
    }

    async fn claim(&self, limit: usize, lease: Duration, parked: ParkedHead) -> Result<Vec<Claimed>, StoreError> {
        let (mut limit, mut lease, mut parked) = (limit, lease, parked);
        match self.wrong {
            Wrong::LimitIsIgnored => limit += 1,
            Wrong::LeaseIsShort => lease = Duration::ZERO,
            Wrong::LeaseIsLong => lease = Duration::from_secs(60),
            Wrong::ParkedIsSteppedOver => parked = ParkedHead::IsSteppedOver,
            Wrong::ParkedBlocks => parked = ParkedHead::Blocks,
            _ => {}
        }
        let mut claimed = self.store.claim(limit, lease, parked).await?;
        for claimed in &mut claimed {
            let id = claimed.message.id.clone();
            self.claims.lock().unwrap().insert(id.clone(), (claimed.claim.number, claimed.message.attempts));
            self.started.lock().unwrap().insert(id, (tokio::time::Instant::now(), lease));
            match self.wrong {
                Wrong::LapsesAreNotCounted => claimed.lapses = 0,
                Wrong::ClaimNumberIsTheSame => claimed.claim.number = 1,
                _ => {}
            }
        }
        Ok(claimed)
    }

    async fn settle(&self, claim: &Claim, settlement: &Settlement) -> Result<Lease, StoreError> {
        let (mut claim, mut settlement) = (claim.clone(), settlement.clone());
        let known = self.claims.lock().unwrap().get(&claim.id).copied();
        let started = self.started.lock().unwrap().get(&claim.id).copied();
        match (self.wrong, &mut settlement) {
            (Wrong::FenceIsOpen, _) => claim.number = known.map_or(0, |known| known.0),
            (Wrong::LeaseIsLostOnceItRanOut, _) if started.is_some_and(|(at, lease)| at.elapsed() > lease) => {
                return Ok(Lease::Lost);
            }
            (Wrong::WaitIsIgnored, Settlement::Again { after, .. }) => *after = Duration::ZERO,
            (Wrong::AttemptsAreLost, Settlement::Again { attempts, .. } | Settlement::Parked { attempts, .. }) => {
                *attempts = 0;
            }
            (Wrong::ParkedIsDone, Settlement::Parked { .. }) => settlement = Settlement::Done,
            (Wrong::ReasonIsLost, Settlement::Parked { reason, .. }) => reason.clear(),
            _ => {}
        }
        match self.store.settle(&claim, &settlement).await? {
            Lease::Lost if self.wrong == Wrong::SettlesTwice && known.is_some() => Ok(Lease::Held),
            lease => Ok(lease),
        }
    }

    async fn next_due(&self, parked: ParkedHead) -> Result<Option<Duration>, StoreError> {
        Ok(match self.wrong {
            Wrong::NextDueIsNone => None,
            Wrong::NextDueIsNow => Some(Duration::ZERO),
            _ => self.store.next_due(parked).await?,
        })
    }

    async fn parked(&self, offset: usize, limit: usize) -> Result<Vec<Parked>, StoreError> {
        self.store.parked(if self.wrong == Wrong::OffsetIsIgnored { 0 } else { offset }, limit).await
    }

    async fn unpark(&self, id: &str) -> Result<bool, StoreError> {
        let attempts =
            self.store.parked(0, 10).await?.iter().find(|parked| parked.message.id == id).map(|p| p.message.attempts);
        let is_unparked = self.store.unpark(id).await?;
        if let (Wrong::UnparkKeepsAttempts, Some(attempts)) = (self.wrong, attempts) {
            // As if the count were left as it was: claimed and given back with it.
            for claimed in self.store.claim(1, Duration::from_secs(1), ParkedHead::Blocks).await? {
                let again = Settlement::Again { after: Duration::ZERO, attempts, reason: String::new() };
                let _ = self.store.settle(&claimed.claim, &again).await?;
            }
        }
        Ok(is_unparked || self.wrong == Wrong::UnparkSaysYes)
    }

    async fn delete_done(&self, for_longer_than: Duration, limit: usize) -> Result<usize, StoreError> {
        match self.wrong {
            Wrong::DeletesTooEarly => self.store.delete_done(Duration::ZERO, limit).await,
            Wrong::DeletesMore => self.store.delete_done(for_longer_than, usize::MAX).await,
            Wrong::DeletesNothing => Ok(0),
            _ => self.store.delete_done(for_longer_than, limit).await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_breaks_a_fact_is_found() {
    let rows = [
        (Wrong::PayloadIsCut, "a message is claimed as it was inserted"),
        (Wrong::DuplicateIsAccepted, "an id is taken until its message is deleted"),
        (Wrong::DueIsIgnored, "the longest due comes first"),
        (Wrong::LimitIsIgnored, "topics are claimed in parallel up to the limit"),
        (Wrong::LeaseIsShort, "a message is claimed as it was inserted"),
        (Wrong::LeaseIsLong, "a lost lease changes nothing"),
        (Wrong::LapsesAreNotCounted, "leases that ran out are counted until one is settled"),
        (Wrong::ClaimNumberIsTheSame, "an id is taken until its message is deleted"),
        (Wrong::FenceIsOpen, "a lost lease changes nothing"),
        (Wrong::SettlesTwice, "a lost lease changes nothing"),
        (Wrong::LeaseIsLostOnceItRanOut, "a lease that nobody took holds after it ran out"),
        (Wrong::WaitIsIgnored, "a message comes back before those behind it"),
        (Wrong::AttemptsAreLost, "a message comes back before those behind it"),
        (Wrong::ParkedIsDone, "an id is taken until its message is deleted"),
        (Wrong::ParkedIsSteppedOver, "a parked head blocks its topic or is stepped over"),
        (Wrong::ParkedBlocks, "a message is found whatever was done before it"),
        (Wrong::ReasonIsLost, "parked messages are listed with their reasons"),
        (Wrong::OffsetIsIgnored, "parked messages are listed with their reasons"),
        (Wrong::UnparkSaysYes, "an unparked message keeps its id and its place"),
        (Wrong::UnparkKeepsAttempts, "an unparked message keeps its id and its place"),
        (Wrong::NextDueIsNone, "the next due is that of what can be claimed"),
        (Wrong::NextDueIsNow, "the next due is that of what can be claimed"),
        (Wrong::DeletesTooEarly, "done messages are deleted in batches and nothing else is"),
        (Wrong::DeletesMore, "done messages are deleted in batches and nothing else is"),
        (Wrong::DeletesNothing, "an id is taken until its message is deleted"),
    ];
    let mut found = Vec::new();
    for (wrong, fact) in rows {
        let broken = outbox::check(|| async { Ok(Faulty::new(wrong)) }).await.expect_err(&format!("{wrong:?}"));
        if broken.fact != fact {
            found.push(format!("{wrong:?}: {broken}"));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    outbox::check(|| async { Ok(Faulty::new(Wrong::Nothing)) }).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_store_in_memory_keeps_all_facts() {
    outbox::check(|| async { Ok(MemoryStore::new()) }).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_made_is_told_with_what_it_said() {
    let broken = outbox::check(|| async { Err::<MemoryStore, _>(StoreError::failed("no disk")) }).await.unwrap_err();
    let text = "not true of this store: there is a fresh store; the store of the outbox failed: no disk";
    assert_eq!(broken.to_string(), text);
}
