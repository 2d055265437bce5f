//! What opened the circuit, in a short word.

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;

use tower::{Layer, Service, ServiceExt, service_fn};
use windbreak::rules::Classify;
use windbreak::{CircuitBreakerLayer, Error};

use super::*;

fn cause(circuit: &Circuit) -> Option<String> {
    match circuit.acquire() {
        Err(Rejection::CircuitOpen { cause, .. }) => {
            assert_eq!(circuit.snapshot().cause, cause);
            cause.map(|cause| cause.to_string())
        }
        other => panic!("{other:?} instead of a rejection"),
    }
}

/// The response is the status; the word for it is asked for, and counted.
#[derive(Clone, Default)]
struct Status(Rc<Cell<u32>>);

impl Classify<u16, Error<()>> for Status {
    fn classify(&self, result: Result<&u16, &Error<()>>) -> Verdict {
        if result.is_ok_and(|status| *status < 500) { Verdict::Success } else { failure() }
    }

    fn error_type(&self, result: Result<&u16, &Error<()>>) -> Cow<'static, str> {
        self.0.set(self.0.get() + 1);
        result.map_or("_OTHER".into(), |status| status.to_string().into())
    }
}

#[tokio::test(start_paused = true)]
async fn the_rejection_says_what_the_last_failure_was() {
    let circuit = two_strikes().build().unwrap();
    let rules = Status::default();
    let mut service = CircuitBreakerLayer::new(circuit.clone(), rules.clone())
        .layer(service_fn(|status: u16| async move { Ok::<_, Error<()>>(status) }));
    for status in [200, 500, 503] {
        service.ready().await.unwrap().call(status).await.unwrap();
    }
    assert_eq!(rules.0.get(), 2, "asked only of failures");
    assert_eq!(cause(&circuit).as_deref(), Some("503"));
    let error = service.ready().await.unwrap().call(200).await.unwrap_err();
    assert_eq!(error.rejection().unwrap().to_string(), "circuit `upstream` is open, the last failure was 503");

    // Also while its probes are in flight, and no longer once it is closed.
    advance(10 * SECOND).await;
    let probe = admitted(&circuit);
    assert_eq!(cause(&circuit).as_deref(), Some("503"));
    probe.record(Verdict::Success);
    assert_eq!(circuit.snapshot().cause, None);
}

#[tokio::test(start_paused = true)]
async fn a_success_that_opens_it_names_the_failure_before() {
    let circuit = Circuit::builder("upstream").failure_ratio(0.5).minimum_calls(2).build().unwrap();
    admitted(&circuit).record_failure("refused");
    succeed(&circuit);
    assert_eq!(cause(&circuit).as_deref(), Some("refused"));
}

#[tokio::test(start_paused = true)]
async fn slow_calls_and_probes_have_words_of_their_own() {
    let circuit = two_strikes().slow_calls(SECOND, 1.0).probe_timeout(3 * SECOND).build().unwrap();
    call_taking(&circuit, 2 * SECOND, Verdict::Success).await;
    call_taking(&circuit, 2 * SECOND, Verdict::Success).await;
    assert_eq!(cause(&circuit).as_deref(), Some("slow"));

    advance(10 * SECOND).await;
    let hung = admitted(&circuit);
    advance(4 * SECOND).await;
    assert_eq!(cause(&circuit).as_deref(), Some("probe_timeout"));
    drop(hung);
}

#[tokio::test(start_paused = true)]
async fn a_switch_is_no_failure() {
    let circuit = two_strikes().build().unwrap();
    admitted(&circuit).record_failure("500");
    circuit.force_open_for(SECOND);
    assert_eq!(cause(&circuit), None);
    circuit.reset();
    admitted(&circuit).record_failure("500");
    circuit.force_open();
    assert_eq!(cause(&circuit), None);

    // Nor is what failed before a switch what failed after it.
    let circuit =
        Circuit::builder("upstream").count_window(2).minimum_calls(1).slow_calls(SECOND, 1.0).build().unwrap();
    circuit.observe_only();
    admitted(&circuit).record_failure("500");
    circuit.reset();
    admitted(&circuit).record(failure());
    assert_eq!(cause(&circuit), None);
}
