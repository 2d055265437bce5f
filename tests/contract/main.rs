//! The contract of tower, and of giving everything back, held by every layer.

#[path = "../support/mod.rs"]
mod support;

mod allocations;
mod architecture;
mod auto_traits;
mod buffer;
mod upstream;
mod compile_fail;
mod composition;
mod docs;
mod rules;
mod states;
mod signatures;
mod sizes;
mod subjects;
mod waits;

/// Each rule for each subject, as a test of its own: `bulkhead::a_panic_in_call_gives_everything_back`.
macro_rules! contract {
    (subjects: [$($subject:ident,)*] rules: $rules:tt) => {
        $(mod $subject { contract!(@$subject $rules); })*
    };
    (@$subject:ident [$($rule:ident,)*]) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $rule() {
                crate::rules::$rule(crate::subjects::$subject());
            }
        )*
    };
}

contract! {
    subjects: [
        fallback_to_a_value,
        fallback_to_a_service,
        timeout,
        retry,
        hedge,
        hedge_that_learns,
        faults_off,
        faults_on,
        circuit_breaker,
        circuit_breaker_half_open,
        bulkhead,
        bulkhead_with_a_queue,
        rate_limit,
        rate_limit_with_a_queue,
        adaptive_bulkhead,
        verify,
        dead_letter,
        all_five,
    ]
    rules: [
        the_instance_that_was_polled_ready_is_called,
        poll_ready_may_be_repeated,
        who_waits_for_readiness_is_woken,
        an_error_of_readiness_is_passed_on,
        who_polled_the_response_last_is_woken,
        a_finished_future_that_is_still_there_keeps_nobody_out,
        a_future_dropped_before_its_first_poll_gives_everything_back,
        a_future_dropped_while_the_upstream_works_gives_everything_back,
        a_service_that_is_ready_and_never_called_holds_nothing,
        a_panic_in_call_gives_everything_back,
        a_panic_while_polled_gives_everything_back,
    ]
}

// It is ready at once: which service a request meets is known only when it is called.
contract! {
    subjects: [per_key,]
    rules: [
        the_instance_that_was_polled_ready_is_called,
        who_polled_the_response_last_is_woken,
        a_finished_future_that_is_still_there_keeps_nobody_out,
        a_future_dropped_before_its_first_poll_gives_everything_back,
        a_future_dropped_while_the_upstream_works_gives_everything_back,
        a_service_that_is_ready_and_never_called_holds_nothing,
        a_panic_in_call_gives_everything_back,
        a_panic_while_polled_gives_everything_back,
    ]
}

// Its readiness has no error: a provider that is not ready is one from which the request moves on.
contract! {
    subjects: [failover,]
    rules: [
        the_instance_that_was_polled_ready_is_called,
        poll_ready_may_be_repeated,
        who_waits_for_readiness_is_woken,
        who_polled_the_response_last_is_woken,
        a_finished_future_that_is_still_there_keeps_nobody_out,
        a_future_dropped_before_its_first_poll_gives_everything_back,
        a_future_dropped_while_the_upstream_works_gives_everything_back,
        a_service_that_is_ready_and_never_called_holds_nothing,
        a_panic_in_call_gives_everything_back,
        a_panic_while_polled_gives_everything_back,
    ]
}
