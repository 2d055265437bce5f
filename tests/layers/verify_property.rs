//! Verify and the dead letter over random sequences of faults: each request has the outcome that a slow model says, and
//! one of which nobody knows is told of exactly once.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::{Instant, timeout};
use tower::{Layer as _, ServiceBuilder, ServiceExt as _, service_fn};
use windbreak::dead_letter::{DeadLetter, Sink};
use windbreak::rules::{RulesFn, rules_fn};
use windbreak::{DeadLetterLayer, Effect, Error, Failure, Rejection, TimeoutLayer, Verdict, Verified, VerifyLayer};

use crate::support::{Log, millis, secs};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Failed = Error<&'static str>;
type Outcome = Result<&'static str, Failed>;
type Judge = fn(Result<&&'static str, &Failed>) -> Verdict;

/// What the upstream does with the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Succeeds,
    Declines,
    /// It says that it did nothing.
    Refuses,
    Loses,
    Hangs,
}

/// What comes of a question, or of a void.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// Of a void: it is done.
    Applied,
    NotApplied,
    InProgress(Option<u64>),
    Unknown,
    Fails,
    Panics,
    Hangs,
}

#[derive(Debug, Clone)]
struct Case {
    sent: Sent,
    answers: Vec<Said>,
    attempts: u32,
    void: Option<Said>,
    /// In milliseconds.
    deadline: Option<u64>,
    dropped_after: Option<u64>,
}

fn judge(result: Result<&&'static str, &Failed>) -> Verdict {
    match result {
        Ok(&"declined") => Verdict::Declined,
        Ok(_) => Verdict::Success,
        Err(Error::Service("refused")) => Verdict::Failure(Failure::new(Effect::NotApplied)),
        Err(error) => error.rejection().map_or(Verdict::UNKNOWN, Verdict::from),
    }
}

fn rules() -> RulesFn<&'static str, Failed, Judge> {
    rules_fn(judge as Judge)
}

/// What a case leads to where no deadline cuts it short and nobody drops it: the outcome, how many questions, and whether
/// somebody is told.
fn expected(case: &Case) -> (Outcome, usize, bool) {
    let lost = || Err(Error::Service("lost"));
    match case.sent {
        Sent::Succeeds => return (Ok("receipt"), 0, false),
        Sent::Declines => return (Ok("declined"), 0, false),
        Sent::Refuses => return (Err(Error::Service("refused")), 0, false),
        Sent::Loses | Sent::Hangs => {}
    }
    let answers = case.answers.iter().chain(std::iter::repeat(&Said::Unknown)).take(case.attempts as usize);
    let mut questions = 0;
    for said in answers {
        questions += 1;
        match said {
            Said::Applied => return (Ok("found"), questions, false),
            Said::NotApplied => return (Err(Rejection::not_applied("_OTHER").into()), questions, false),
            Said::InProgress(_) => {}
            Said::Unknown | Said::Fails | Said::Panics | Said::Hangs => break,
        }
    }
    match case.void {
        Some(Said::Applied) => (Err(Rejection::not_applied("_OTHER").into()), questions, false),
        _ => (lost(), questions, true),
    }
}

/// What was seen of a case.
#[derive(Debug, Default)]
struct Seen {
    outcome: Option<Outcome>,
    calls: usize,
    /// What was heard of each question that was asked.
    heard: Vec<Said>,
    voids: usize,
    told: usize,
}

async fn hear<T>(said: Said, done: T) -> Result<T, BoxError> {
    match said {
        Said::Panics => panic!("it panics"),
        Said::Hangs => pending().await,
        Said::Fails => Err("down".into()),
        _ => Ok(done),
    }
}

async fn run(case: &Case) -> Seen {
    let (calls, voids, told) = (Log::default(), Log::default(), Log::default());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (questions, answers) = (Arc::clone(&heard), case.answers.clone());
    let mut verify = VerifyLayer::new(rules(), move |_: &'static str, _| {
        let mut heard = questions.lock().expect("the test arranged it");
        let said = answers.get(heard.len()).copied().unwrap_or(Said::Unknown);
        heard.push(said);
        hear(
            said,
            match said {
                Said::Applied => Verified::Applied("found"),
                Said::NotApplied => Verified::NotApplied,
                Said::InProgress(wait) => Verified::in_progress(wait.map(Duration::from_millis)),
                _ => Verified::Unknown,
            },
        )
    });
    verify = verify.attempts(case.attempts);
    let tell = told.clone();
    verify = verify.on_unsettled(move |_| _ = tell.note());
    if let Some(said) = case.void {
        let voids = voids.clone();
        verify = verify.or_void(move |_| {
            voids.note();
            hear(said, ())
        });
    }
    let (sent, seen) = (case.sent, calls.clone());
    let upstream = service_fn(move |_: &'static str| {
        seen.note();
        async move {
            match sent {
                Sent::Succeeds => Ok("receipt"),
                Sent::Declines => Ok("declined"),
                Sent::Refuses => Err(Error::Service("refused")),
                Sent::Loses => Err(Error::Service("lost")),
                Sent::Hangs => {
                    tokio::time::sleep(millis(300)).await;
                    Err(Error::Service("lost"))
                }
            }
        }
    });
    let deadline = case.deadline.map_or(Duration::MAX, Duration::from_millis);
    let service = ServiceBuilder::new().layer(TimeoutLayer::new(deadline)).service(verify.layer(upstream));
    let patience = case.dropped_after.map_or(secs(86_400), Duration::from_millis);
    let outcome = timeout(patience, service.oneshot("order")).await.ok();
    let heard = heard.lock().expect("the test arranged it").clone();
    Seen { outcome, calls: calls.count(), heard, voids: voids.count(), told: told.count() }
}

fn any_said() -> impl Strategy<Value = Said> {
    prop_oneof![
        2 => Just(Said::Applied),
        1 => Just(Said::NotApplied),
        4 => prop::option::of(0..3_000_u64).prop_map(Said::InProgress),
        1 => Just(Said::Unknown),
        1 => Just(Said::Fails),
        1 => Just(Said::Panics),
        1 => Just(Said::Hangs),
    ]
}

fn any_case() -> impl Strategy<Value = Case> {
    let sent = prop_oneof![
        1 => Just(Sent::Succeeds),
        1 => Just(Sent::Declines),
        1 => Just(Sent::Refuses),
        5 => Just(Sent::Loses),
        2 => Just(Sent::Hangs),
    ];
    let answers = prop::collection::vec(any_said(), 0..5);
    let void = prop::option::of(
        prop_oneof![3 => Just(Said::Applied), 1 => Just(Said::Fails), 1 => Just(Said::Panics), 1 => Just(Said::Hangs)],
    );
    let time = || prop::option::weighted(0.3, 1..6_000_u64);
    (sent, answers, 0..4_u32, void, time(), time()).prop_map(
        |(sent, answers, attempts, void, deadline, dropped_after)| Case {
            sent,
            answers,
            attempts,
            void,
            deadline,
            dropped_after,
        },
    )
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn every_request_is_settled_as_a_slow_model_says_or_somebody_is_told(case in any_case()) {
        let seen = block_on(run(&case));
        let (outcome, questions, is_told) = expected(&case);
        if case.deadline.is_none() && case.dropped_after.is_none() {
            prop_assert_eq!(&seen.outcome, &Some(outcome), "{:?}", seen);
            prop_assert_eq!((seen.heard.len(), seen.told > 0), (questions, is_told), "{:?}", seen);
        }
        prop_assert!(seen.calls == 1 && seen.voids <= 1 && seen.told <= 1, "nothing is done twice: {:?}", seen);
        prop_assert!(seen.heard.len() <= case.attempts as usize, "{:?}", seen);
        let is_lost = matches!(case.sent, Sent::Loses | Sent::Hangs);
        match &seen.outcome {
            Some(Ok("found")) => prop_assert_eq!(seen.heard.last(), Some(&Said::Applied)),
            Some(Err(error)) if matches!(error.rejection(), Some(Rejection::NotApplied { .. })) => {
                let is_voided = seen.voids == 1 && case.void == Some(Said::Applied);
                prop_assert!(is_voided || seen.heard.last() == Some(&Said::NotApplied), "{:?}", seen);
            }
            // It was cut off before it had failed: whoever set the deadline, or dropped it, knows.
            None | Some(Err(_)) if seen.told == 0 => {
                let is_cut = seen.outcome.as_ref().is_none_or(|outcome| outcome.as_ref().is_err_and(Error::is_timeout));
                prop_assert!(case.sent == Sent::Refuses || case.sent == Sent::Hangs && is_cut, "{:?}", seen);
            }
            None | Some(Err(_)) => prop_assert!(is_lost, "{:?}", seen),
            Some(Ok(_)) => prop_assert!(!is_lost, "{:?}", seen),
        }
    }
}

/// A sink that does with each letter what the script says, and keeps the letters.
struct Scripted {
    script: Vec<Said>,
    turn: Log,
    kept: Mutex<Vec<DeadLetter<usize>>>,
}

impl Sink<usize> for Scripted {
    async fn put(&self, letter: DeadLetter<usize>) -> Result<(), BoxError> {
        let said = self.script[self.turn.note() - 1];
        hear(said, ()).await?;
        self.kept.lock().expect("the test arranged it").push(letter);
        Ok(())
    }
}

/// What becomes of a request, and of its letter if there is one.
fn any_letter() -> impl Strategy<Value = (Sent, Said)> {
    let sent = prop_oneof![1 => Just(Sent::Succeeds), 1 => Just(Sent::Declines), 2 => Just(Sent::Refuses), 2 => Just(Sent::Loses)];
    let said =
        prop_oneof![3 => Just(Said::Applied), 1 => Just(Said::Fails), 1 => Just(Said::Panics), 1 => Just(Said::Hangs)];
    (sent, said)
}

async fn send_all(requests: &[(Sent, Said)]) -> Result<(), TestCaseError> {
    let is_kept = |sent: Sent| matches!(sent, Sent::Refuses | Sent::Loses);
    let script: Vec<_> = requests.iter().filter(|(sent, _)| is_kept(*sent)).map(|(_, said)| *said).collect();
    let sink = Arc::new(Scripted { script: script.clone(), turn: Log::default(), kept: Mutex::default() });
    let layer = DeadLetterLayer::new(rules(), Arc::clone(&sink)).timeout(millis(200));
    let counts = layer.counts();
    for (number, &(sent, said)) in requests.iter().enumerate() {
        let begin = Instant::now();
        let answer = match sent {
            Sent::Succeeds => Ok("receipt"),
            Sent::Declines => Ok("declined"),
            Sent::Refuses => Err(Error::Service("refused")),
            Sent::Loses | Sent::Hangs => Err(Error::Service("lost")),
        };
        let upstream = answer.clone();
        let service = layer.layer(service_fn(move |_: usize| std::future::ready(upstream.clone())));
        prop_assert_eq!(service.oneshot(number).await, answer);
        let hung = is_kept(sent) && said == Said::Hangs;
        prop_assert_eq!(begin.elapsed(), if hung { millis(200) } else { Duration::ZERO });
    }
    let kept = sink.kept.lock().expect("the test arranged it");
    let expected: Vec<_> = requests
        .iter()
        .enumerate()
        .filter(|(_, (sent, said))| is_kept(*sent) && *said == Said::Applied)
        .map(|(number, (sent, _))| (number, *sent == Sent::Loses))
        .collect();
    let found: Vec<_> = kept.iter().map(|letter| (letter.request, letter.must_be_verified())).collect();
    prop_assert_eq!(&found, &expected);
    prop_assert_eq!(counts.kept(), expected.len() as u64);
    prop_assert_eq!(counts.kept() + counts.lost(), script.len() as u64);
    Ok(())
}

proptest! {
    #[test]
    fn every_letter_is_kept_or_counted_as_lost_and_the_result_is_the_same(
        requests in prop::collection::vec(any_letter(), 0..20),
    ) {
        block_on(send_all(&requests))?;
    }
}
