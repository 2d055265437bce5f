//! The stack for payments under random faults: no order is charged twice, and the caller is told what happened, or somebody
//! is told that nobody knows.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tower::util::BoxCloneService;
use tower::{Layer as _, ServiceBuilder, ServiceExt, service_fn};
use windbreak::rules::{Idempotency, RulesFn, WithIdempotency, rules_fn};
use windbreak::verify::Unsettled;
use windbreak::{
    DeadLetterLayer, Effect, Error, Failover, Failure, Rejection, RetryLayer, RetryPolicy, TimeoutLayer, Verdict,
    Verified, VerifyLayer,
};

use crate::support::secs;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Charged,
    Declined,
    /// A response that says that nothing was done.
    Busy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Problem {
    /// It did nothing, and says so.
    Refused,
    Lost,
}

type Failed = Error<Problem>;
type Judge = fn(Result<&Said, &Failed>) -> Verdict;
type Rules = WithIdempotency<RulesFn<Said, Failed, Judge>, Idempotency, fn(&Idempotency) -> Idempotency>;

fn judge(result: Result<&Said, &Failed>) -> Verdict {
    match result {
        Ok(Said::Charged) => Verdict::Success,
        Ok(Said::Declined) => Verdict::Declined,
        Ok(Said::Busy) => Verdict::Failure(Failure::new(Effect::NotApplied)),
        Err(error) => match (error.rejection(), error.service()) {
            (Some(rejection), _) => rejection.into(),
            (_, Some(Problem::Refused)) => Verdict::Failure(Failure::new(Effect::NotApplied)),
            _ => Verdict::UNKNOWN,
        },
    }
}

fn rules() -> Rules {
    rules_fn(judge as Judge).idempotent((|request| *request) as fn(&Idempotency) -> Idempotency)
}

/// What a provider has of the order.
#[derive(Debug, Default)]
struct Books {
    charges: u32,
    declined: bool,
    closed: bool,
}

#[derive(Clone)]
struct Provider {
    books: Arc<Mutex<Books>>,
    rng: Arc<Mutex<SmallRng>>,
}

impl Provider {
    fn new(seed: u64) -> Self {
        Self { books: Arc::default(), rng: Arc::new(Mutex::new(SmallRng::seed_from_u64(seed))) }
    }

    fn draw(&self, count: u32) -> u32 {
        self.rng.lock().expect("nobody panics with the lock held").random_range(0..count)
    }

    fn arrive(&self, request: Idempotency, declines: bool) -> Result<Said, Failed> {
        let mut books = self.books.lock().expect("nobody panics with the lock held");
        match () {
            () if books.closed => return Err(Error::Service(Problem::Refused)),
            () if request == Idempotency::Keyed && books.declined => return Ok(Said::Declined),
            () if request == Idempotency::Keyed && books.charges > 0 => {}
            () if declines => {
                books.declined = true;
                return Ok(Said::Declined);
            }
            () => books.charges += 1,
        }
        Ok(Said::Charged)
    }

    async fn charge(self, request: Idempotency) -> Result<Said, Failed> {
        let lost = Err(Error::Service(Problem::Lost));
        match self.draw(10) {
            0 => self.arrive(request, false),
            1 => self.arrive(request, true),
            2 => Err(Error::Service(Problem::Refused)),
            3 => Err(Rejection::circuit_open("provider", None).into()),
            4 => lost,
            5 => self.arrive(request, false).and(lost),
            6 => {
                let after = Duration::from_millis(u64::from(self.draw(20_000)));
                let late = self.clone();
                tokio::spawn(async move {
                    sleep(after).await;
                    late.arrive(request, false)
                });
                lost
            }
            7 => Ok(Said::Busy),
            8 => {
                let _ = self.arrive(request, false);
                std::future::pending().await
            }
            _ => std::future::pending().await,
        }
    }

    async fn find(self) -> Result<Verified<Said>, BoxError> {
        match self.draw(6) {
            0 => return Err("down".into()),
            1 => std::future::pending().await,
            2 => panic!("the question panics"),
            3 => return Ok(Verified::in_progress(None)),
            _ => {}
        }
        let books = self.books.lock().expect("nobody panics with the lock held");
        Ok(match *books {
            Books { closed: true, .. } => Verified::NotApplied,
            Books { charges: 1.., .. } => Verified::Applied(Said::Charged),
            Books { declined: true, .. } => Verified::Applied(Said::Declined),
            // Not found is not "will not apply".
            _ => Verified::Unknown,
        })
    }

    #[allow(clippy::unused_async, reason = "a void is asked for over a network")]
    async fn void(self) -> Result<(), BoxError> {
        let fate = self.draw(4);
        if fate == 0 {
            return Err("down".into());
        }
        let mut books = self.books.lock().expect("nobody panics with the lock held");
        (books.charges, books.closed) = (0, true);
        if fate == 1 { Err("lost".into()) } else { Ok(()) }
    }

    /// With the question above the retries, as for requests with a key, or below them.
    fn stack(
        &self,
        is_above: bool,
        unsettled: &mpsc::UnboundedSender<Unsettled<Idempotency>>,
    ) -> BoxCloneService<Idempotency, Said, Failed> {
        let (charge, find, void, told) = (self.clone(), self.clone(), self.clone(), unsettled.clone());
        let verify = VerifyLayer::new(rules(), move |_, _| find.clone().find())
            .or_void(move |_| void.clone().void())
            .on_unsettled(move |unsettled| told.send(unsettled).expect("the test listens"));
        let retry = RetryPolicy::builder().max_attempts(3).build().expect("valid");
        let retry = RetryLayer::new(retry, rules());
        let attempt = TimeoutLayer::new(secs(1)).layer(service_fn(move |request| charge.clone().charge(request)));
        if is_above {
            BoxCloneService::new(verify.layer(retry.layer(attempt)))
        } else {
            BoxCloneService::new(retry.layer(verify.layer(attempt)))
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_fails_an_order_is_charged_once_at_most_and_nobody_is_lied_to() {
    let mut outcomes = HashSet::new();
    for seed in 0..4_000 {
        let request = [Idempotency::Keyed, Idempotency::NotIdempotent][seed as usize % 2];
        let is_above = request == Idempotency::Keyed && seed % 4 == 0;
        let patience = if seed % 8 < 6 { Duration::MAX } else { Duration::from_millis(seed * 7919 % 4_000) };
        let providers = [Provider::new(2 * seed), Provider::new(2 * seed + 1)];
        let (unsettled, mut told) = mpsc::unbounded_channel();
        let (sink, mut letters) = mpsc::channel(1);
        let failover = Failover::new("card", rules())
            .to("a", providers[0].stack(is_above, &unsettled))
            .to("b", providers[1].stack(is_above, &unsettled))
            .build()
            .unwrap();
        let service = ServiceBuilder::new()
            .layer(DeadLetterLayer::new(rules(), sink))
            .layer(TimeoutLayer::new(secs(20)))
            .service(failover);
        let result = timeout(patience, service.oneshot(request)).await;
        sleep(secs(60)).await;

        let charges: u32 = providers
            .iter()
            .map(|provider| provider.books.lock().expect("nobody panics with the lock held").charges)
            .sum();
        assert!(charges <= 1, "seed {seed}, {request:?}: {charges} charges, and the caller was told {result:?}");
        let letter = letters.try_recv().ok();
        let said = match &result {
            // Whoever drops it knows that nobody knows.
            Err(_) => "dropped",
            Ok(Ok(Said::Charged)) => {
                assert_eq!(charges, 1, "seed {seed}: it was not charged");
                "charged"
            }
            Ok(Ok(Said::Declined)) => {
                assert_eq!(charges, 0, "seed {seed}: it was not declined");
                "declined"
            }
            Ok(failed) => {
                let letter = letter.unwrap_or_else(|| panic!("seed {seed}: no letter for {failed:?}"));
                if letter.must_be_verified() {
                    let is_timeout = failed.as_ref().is_err_and(Error::is_timeout);
                    assert!(is_timeout || told.try_recv().is_ok(), "seed {seed}: nobody was told");
                    "unknown"
                } else {
                    assert_eq!(charges, 0, "seed {seed}: not without effect: {failed:?}");
                    "failed"
                }
            }
        };
        outcomes.insert(said);
    }
    assert_eq!(outcomes.len(), 5, "{outcomes:?}");
}
