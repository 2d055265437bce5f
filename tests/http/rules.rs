//! The rules of HTTP, changed: each setter of `Http::builder`.

use std::io;
use std::time::Duration;

use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode};
use windbreak::http::{Http, HttpRequest, HttpRules, ResendCount};
use windbreak::rules::{Classify, Idempotency, Repeat, Replay};
use windbreak::{Effect, Error, Failure, Verdict};

const NONE: Verdict = Verdict::Failure(Failure::new(Effect::NotApplied));
const UNKNOWN: Verdict = Verdict::Failure(Failure::new(Effect::Unknown));

const FOR_GOOD: Verdict = Verdict::Failure(Failure::new(Effect::Unknown).permanent());

const X_TOKEN: HeaderName = HeaderName::from_static("x-token");
const X_RESEND: HeaderName = HeaderName::from_static("x-resend");

type Answer = Response<&'static str>;

fn answer(status: u16, headers: &[(&str, &str)]) -> Answer {
    let mut response = Response::builder().status(status);
    for &(name, value) in headers {
        response = response.header(name, value);
    }
    response.body("").expect("the test has good headers")
}

fn judge(rules: &impl Classify<Answer, Error<io::Error>>, status: u16, headers: &[(&str, &str)]) -> Verdict {
    rules.classify(Ok(&answer(status, headers)))
}

fn judge_reqwest(rules: &impl Classify<reqwest::Response, Error<io::Error>>, status: u16) -> Verdict {
    rules.classify(Ok(&reqwest::Response::from(answer(status, &[]))))
}

/// An answer that says that it is half an answer is no good, and neither is a teapot's.
fn degraded(status: StatusCode, headers: &HeaderMap) -> Option<Verdict> {
    match status {
        StatusCode::OK if headers.contains_key("x-degraded") => Some(Verdict::Ignored),
        StatusCode::IM_A_TEAPOT => Some(NONE),
        _ => None,
    }
}

#[test]
fn a_function_of_ones_own_is_asked_first_and_the_other_rules_where_it_says_nothing() {
    let rules = Http::builder().classify_with(degraded);
    assert_eq!(judge(&rules, 200, &[("x-degraded", "yes")]), Verdict::Ignored);
    assert_eq!(judge(&rules, 200, &[]), Verdict::Success);
    assert_eq!(judge(&rules, 418, &[]), NONE);
    assert_eq!(judge(&rules, 404, &[]), Verdict::Declined);
    assert_eq!(judge(&rules, 421, &[]), NONE);
    // What it says stands, whatever the client.
    assert_eq!((judge_reqwest(&rules, 418), judge_reqwest(&rules, 421)), (NONE, UNKNOWN));

    // Before the lists of statuses.
    let rules = Http::builder()
        .unprocessed_statuses([StatusCode::OK])
        .permanent_statuses([StatusCode::IM_A_TEAPOT])
        .classify_with(degraded);
    assert_eq!(judge(&rules, 200, &[("x-degraded", "yes")]), Verdict::Ignored);
    assert_eq!((judge(&rules, 200, &[]), judge(&rules, 418, &[])), (NONE, NONE));
}

#[test]
fn errors_are_judged_as_ever() {
    let rules = Http::builder().unprocessed_statuses([StatusCode::OK]).classify_with(|_, _| Some(Verdict::Declined));
    let judge = |error: Error<io::Error>| {
        let result = Err::<&Answer, _>(&error);
        assert_eq!(rules.error_type(result), Http.error_type(result));
        rules.classify(result)
    };
    assert_eq!(judge(Error::Service(io::ErrorKind::ConnectionRefused.into())), NONE);
    assert_eq!(judge(Error::Service(io::ErrorKind::ConnectionReset.into())), UNKNOWN);
}

#[test]
fn the_statuses_that_are_said_to_be_unprocessed_have_no_effect() {
    let rules = Http::builder().unprocessed_statuses([503, 404].map(|code| StatusCode::from_u16(code).unwrap()));
    let later = |effect| Verdict::Failure(Failure::new(effect).with_retry_after(Duration::from_secs(7)));
    for (status, expected) in [
        (200, Verdict::Success),
        (400, Verdict::Declined),
        (404, NONE),
        (409, Verdict::in_progress(None)),
        (429, Verdict::throttled(None)),
        (500, UNKNOWN),
        (503, NONE),
        (504, UNKNOWN),
    ] {
        assert_eq!(judge(&rules, status, &[]), expected, "{status}");
    }
    assert_eq!(judge(&rules, 503, &[("retry-after", "7")]), later(Effect::NotApplied));
    assert_eq!(judge(&Http::builder(), 503, &[("retry-after", "7")]), later(Effect::Unknown));
    // Whoever said it meant the response to the order, not that of a page it was sent on to.
    assert_eq!(judge_reqwest(&rules, 503), UNKNOWN);
    assert_eq!(judge_reqwest(&rules.without_redirects(), 503), NONE);
}

#[test]
fn the_statuses_that_are_said_to_be_permanent_are() {
    let rules = Http::builder().permanent_statuses([StatusCode::GATEWAY_TIMEOUT]);
    assert_eq!((judge(&rules, 504, &[]), judge_reqwest(&rules, 504)), (FOR_GOOD, FOR_GOOD));
    assert_eq!((judge(&rules, 501, &[]), judge(&rules, 502, &[])), (FOR_GOOD, UNKNOWN));
}

/// An order with this header, for either client.
fn order(header: &HeaderName) -> (Request<&'static str>, reqwest::Request) {
    let order =
        Request::post("http://upstream.test/orders").header(header, "mine").body("").expect("the test is right");
    (order.clone(), order.try_into().expect("the URL is good"))
}

#[test]
fn a_request_is_known_by_the_header_of_ones_own() {
    fn knows<R: HttpRequest>(rules: &HttpRules, order: &R) -> bool {
        rules.idempotency(order) == Idempotency::Keyed
    }
    let standard = HeaderName::from_static("idempotency-key");
    for (rules, name, other) in
        [(Http::builder(), &standard, &X_TOKEN), (Http::builder().idempotency_header(X_TOKEN), &X_TOKEN, &standard)]
    {
        let (hyper, reqwest) = order(name);
        assert!(knows(&rules, &hyper) && knows(&rules, &reqwest), "{name}");
        let (hyper, reqwest) = order(other);
        assert!(!knows(&rules, &hyper) && !knows(&rules, &reqwest), "{name}");
        // Without any key, by its method.
        let put = Request::put("http://upstream.test/").body("").unwrap();
        assert_eq!(rules.idempotency(&put), Idempotency::Idempotent);
    }
}

#[test]
fn an_attempt_carries_its_number_in_the_header_of_ones_own() {
    fn sent<R: HttpRequest>(rules: &HttpRules, mut request: R) -> Vec<Option<String>>
    where
        HttpRules: Replay<R>,
    {
        let number = |request: &R| Some(request.headers().get(X_RESEND)?.to_str().expect("digits").to_owned());
        let first = number(&request);
        let later = [1, 2].map(|resends| {
            rules.number(&mut request, resends);
            assert!(request.extensions_mut().is_none_or(|all| all.get() == Some(&ResendCount(resends))));
            assert!(request.headers().get_all(X_RESEND).iter().count() <= 1, "it replaces the one before");
            number(&request)
        });
        [first].into_iter().chain(later).collect()
    }
    let (hyper, reqwest) = order(&X_TOKEN);
    let rules = Http::builder().resend_header(X_RESEND);
    let numbers = [None, Some("1".to_owned()), Some("2".to_owned())];
    assert_eq!(sent(&rules, hyper.clone()), numbers);
    assert_eq!(sent(&rules, reqwest), numbers);
    assert_eq!(sent(&Http::builder(), hyper), [None, None, None]);
}

#[test]
fn no_setter_undoes_another() {
    let first = Http::builder()
        .without_redirects()
        .unprocessed_statuses([StatusCode::SERVICE_UNAVAILABLE])
        .permanent_statuses([StatusCode::GATEWAY_TIMEOUT])
        .idempotency_header(X_TOKEN)
        .resend_header(X_RESEND)
        .classify_with(degraded);
    let last = Http::builder()
        .classify_with(degraded)
        .resend_header(X_RESEND)
        .idempotency_header(X_TOKEN)
        .unprocessed_statuses([StatusCode::SERVICE_UNAVAILABLE])
        .permanent_statuses([StatusCode::GATEWAY_TIMEOUT])
        .without_redirects();
    for verdict in [judge_reqwest(&first, 503), judge_reqwest(&last, 503)] {
        assert_eq!(verdict, NONE);
    }
    let (mut hyper, _) = order(&X_TOKEN);
    assert_eq!((first.idempotency(&hyper), last.idempotency(&hyper)), (Idempotency::Keyed, Idempotency::Keyed));
    assert_eq!((judge(&first, 418, &[]), judge(&last, 418, &[])), (NONE, NONE));
    assert_eq!((judge(&first, 504, &[]), judge(&last, 504, &[])), (FOR_GOOD, FOR_GOOD));
    first.number(&mut hyper, 1);
    assert_eq!(hyper.headers()[X_RESEND], "1");
    last.number(&mut hyper, 2);
    assert_eq!(hyper.headers()[X_RESEND], "2");
    assert_eq!(first.copy(&hyper).unwrap().method(), Method::POST);
}
