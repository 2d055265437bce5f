use super::broken::Broken;
use super::fact::Seen;
use crate::outbox::error::StoreError;
use crate::outbox::store::Store;

/// Each fact about a store of its own, until one is broken.
macro_rules! facts {
    ($fresh:ident: $($fact:literal => $check:path,)*) => {
        $(
            let store = $fresh().await.map_err(|error| Seen::from(error).of("there is a fresh store"))?;
            $check(&store).await.map_err(|seen| seen.of($fact))?;
        )*
    };
}

/// Checks all that a [`Store`] owes, each fact on a store that `fresh` makes: an empty one.
///
/// For the tests of whoever writes a store. It waits for leases of milliseconds to run out, some 2 s in all, on tokio's
/// clock.
///
/// What it cannot see: that a transaction which commits late is not overlooked, and that a process may be killed at any
/// moment. Those need the database itself.
///
/// ```
/// use windbreak::outbox::{self, MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), outbox::Broken> {
/// outbox::check(|| async { Ok(MemoryStore::new()) }).await
/// # }
/// ```
///
/// # Errors
///
/// The first fact that does not hold, and what was seen instead.
///
/// # Panics
///
/// If there is no tokio runtime with its timer enabled.
pub async fn check<St, F, Fut>(mut fresh: F) -> Result<(), Broken>
where
    St: Store,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<St, StoreError>>,
{
    facts! { fresh:
        "a message is claimed as it was inserted" => super::claiming::comes_as_it_was_inserted,
        "an id is taken until its message is deleted" => super::claiming::an_id_is_taken_until_its_row_is_deleted,
        "a topic is delivered in order" => super::claiming::a_topic_is_delivered_in_order,
        "topics are claimed in parallel up to the limit" => super::claiming::topics_are_claimed_in_parallel_up_to_the_limit,
        "the longest due comes first" => super::claiming::the_longest_due_comes_first,
        "what is not due holds up its topic and no other" => super::claiming::what_is_not_due_holds_up_its_topic_and_no_other,
        "a message comes back before those behind it" => super::claiming::a_message_comes_back_before_those_behind_it,
        "a message is found whatever was done before it" => super::claiming::a_message_is_found_whatever_was_done_before_it,
        "a lost lease changes nothing" => super::in_flight::a_lost_lease_changes_nothing,
        "a lease that nobody took holds after it ran out" => super::in_flight::a_lease_that_nobody_took_holds_after_it_ran_out,
        "a claim is settled once" => super::in_flight::a_claim_is_settled_once,
        "what was never claimed cannot be settled" => super::in_flight::what_was_never_claimed_cannot_be_settled,
        "leases that ran out are counted until one is settled" =>
            super::in_flight::leases_that_ran_out_are_counted_until_one_is_settled,
        "what ran out comes before those behind it" => super::in_flight::what_ran_out_comes_before_those_behind_it,
        "many relays share the work and keep the order" => super::in_flight::many_relays_share_the_work_and_keep_the_order,
        "done messages are deleted in batches and nothing else is" =>
            super::settling::done_messages_are_deleted_in_batches_and_nothing_else_is,
        "a claim of a deleted message is lost" => super::settling::a_claim_of_a_deleted_message_is_lost,
        "a lost lease stays lost when the id is inserted again" =>
            super::settling::a_lease_lost_stays_lost_when_the_id_is_inserted_again,
        "a parked head blocks its topic or is stepped over" => super::parking::a_parked_head_blocks_its_topic_or_is_stepped_over,
        "parked messages are listed with their reasons" => super::parking::parked_messages_are_listed_with_their_reasons,
        "a reason may be any text" => super::parking::a_reason_may_be_any_text,
        "an unparked message keeps its id and its place" => super::parking::an_unparked_message_keeps_its_id_and_its_place,
        "only what is parked is unparked" => super::parking::only_what_is_parked_is_unparked,
        "the next due is that of what can be claimed" => super::times::the_next_due_is_that_of_what_can_be_claimed,
        "what waits behind a parked message is due if that is stepped over" =>
            super::times::what_waits_behind_a_parked_message_is_due_if_that_is_stepped_over,
        "the longest times are never" => super::times::the_longest_times_are_never,
    }
    Ok(())
}
