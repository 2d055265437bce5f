//! A storm of calls over several threads, each of which succeeds, fails, panics, hangs until its timeout, or is
//! dropped half-way. Afterwards every call has ended once, and all places and all probes are there again.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::{JoinSet, yield_now};
use tokio::time::sleep;
use tower::{Service, ServiceBuilder};
use windbreak::bulkhead::Semaphore;
use windbreak::circuit_breaker::{Permit, State};
use windbreak::retry::RetryBudget;
use windbreak::rules::ErrorsOnly;
use windbreak::{BulkheadLayer, Circuit, CircuitBreakerLayer, Error, RetryLayer, RetryPolicy, TimeoutLayer, Verdict};

const CALLS: usize = 1_000_000;
const TASKS: usize = 32;
const PLACES: usize = 16;
const PROBES: usize = 3;

/// How a call ended, for the caller.
#[derive(Debug, Clone, Copy)]
enum Ending {
    Success,
    Failure,
    Timeout,
    CircuitOpen,
    BulkheadFull,
    Cancelled,
    Panic,
}

/// How many calls ended in each way, by `Ending`.
type Endings = [usize; 7];

/// What the upstream is told to do, and whether it yields first.
#[derive(Debug, Clone, Copy)]
struct Order {
    deed: Deed,
    yields: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Deed {
    Succeed,
    Fail,
    Panic,
    /// Panics in `call`, before there is a future.
    PanicAtOnce,
    Hang,
}

#[derive(Debug, Clone, Default)]
struct Upstream(Arc<Books>);

#[derive(Debug, Default)]
struct Books {
    present: AtomicUsize,
    most_present: AtomicUsize,
    successes: AtomicUsize,
    failures: AtomicUsize,
    panics: AtomicUsize,
}

/// One call at the upstream.
struct Visit {
    order: Order,
    books: Arc<Books>,
}

impl Service<Order> for Upstream {
    type Response = ();
    type Error = Error<()>;
    type Future = Visit;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error<()>>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, order: Order) -> Visit {
        let books = Arc::clone(&self.0);
        books.most_present.fetch_max(books.present.fetch_add(1, Relaxed) + 1, Relaxed);
        let visit = Visit { order, books };
        if order.deed == Deed::PanicAtOnce {
            visit.panic();
        }
        visit
    }
}

impl Visit {
    /// Past the hook that would print a million lines.
    fn panic(&self) -> ! {
        self.books.panics.fetch_add(1, Relaxed);
        resume_unwind(Box::new("as ordered"))
    }
}

impl Future for Visit {
    type Output = Result<(), Error<()>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if std::mem::take(&mut self.order.yields) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match self.order.deed {
            Deed::Succeed => {
                self.books.successes.fetch_add(1, Relaxed);
                Poll::Ready(Ok(()))
            }
            Deed::Fail => {
                self.books.failures.fetch_add(1, Relaxed);
                Poll::Ready(Err(Error::Service(())))
            }
            Deed::Panic | Deed::PanicAtOnce => self.panic(),
            Deed::Hang => Poll::Pending,
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.books.present.fetch_sub(1, Relaxed);
    }
}

/// Bad weather comes and goes, so that the circuit opens and closes.
fn order(rng: &mut SmallRng, call: usize) -> Order {
    let failing = if call % 1_000 < 50 { 700 } else { 100 };
    let deed = match rng.random_range(0..1_000) {
        0..5 => Deed::Panic,
        5..10 => Deed::PanicAtOnce,
        // A hang is over after a millisecond or two, so they are few.
        10 => Deed::Hang,
        dice if dice < failing => Deed::Fail,
        _ => Deed::Succeed,
    };
    Order { deed, yields: rng.random_bool(0.25) }
}

/// Makes a call and waits for its end, or drops it when it was polled so often.
async fn make<S>(mut service: S, order: Order, patience: Option<usize>) -> Ending
where
    S: Service<Order, Response = (), Error = Error<()>>,
{
    if poll_fn(|cx| service.poll_ready(cx)).await.is_err() {
        return Ending::Failure;
    }
    let Ok(call) = catch_unwind(AssertUnwindSafe(|| service.call(order))) else { return Ending::Panic };
    let mut call = pin!(call);
    let mut polls = 0;
    poll_fn(|cx| {
        if patience == Some(polls) {
            return Poll::Ready(Ending::Cancelled);
        }
        polls += 1;
        let result = match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx))) {
            Ok(Poll::Ready(result)) => result,
            Ok(Poll::Pending) => {
                if patience.is_some() {
                    cx.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
            Err(_) => return Poll::Ready(Ending::Panic),
        };
        Poll::Ready(match result {
            Ok(()) => Ending::Success,
            Err(error) if error.service().is_some() => Ending::Failure,
            Err(error) if error.is_circuit_open() => Ending::CircuitOpen,
            Err(error) if error.is_bulkhead_full() => Ending::BulkheadFull,
            Err(error) => {
                assert!(error.is_timeout());
                Ending::Timeout
            }
        })
    })
    .await
}

/// One task's share of the storm. Now and then it turns the operator's switches as well.
async fn storm<S>(service: S, circuit: Circuit, places: Semaphore, seed: u64) -> Endings
where
    S: Service<Order, Response = (), Error = Error<()>> + Clone,
{
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut endings = Endings::default();
    for call in 0..CALLS / TASKS {
        let patience = rng.random_bool(0.1).then(|| rng.random_range(0..5));
        let ending = make(service.clone(), order(&mut rng, call), patience).await;
        endings[ending as usize] += 1;
        if matches!(ending, Ending::CircuitOpen | Ending::BulkheadFull) {
            // Or those who are refused would have made all their calls before the others get to work.
            yield_now().await;
        }
        match rng.random_range(0..10_000) {
            0 => circuit.reset(),
            1..10 => places.resize(rng.random_range(PLACES / 2..=PLACES)).expect("within its bounds"),
            _ => {}
        }
    }
    endings
}

fn acquire_all(circuit: &Circuit) -> Vec<Permit> {
    std::iter::from_fn(|| circuit.acquire().ok()).take(PROBES + 1).collect()
}

/// Reports successes of the upstream until the circuit closes.
async fn recover(circuit: &Circuit, open_for: Duration) {
    while circuit.state() != State::Closed {
        if circuit.state() == State::Open {
            sleep(open_for).await;
        }
        let settled = circuit.snapshot().tally.calls;
        let half_open = circuit.state() == State::HalfOpen;
        let probes = acquire_all(circuit);
        assert_eq!(probes.len() as u64, PROBES as u64 - if half_open { settled } else { 0 }, "a probe is lost");
        for probe in probes {
            probe.record(Verdict::Success);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_million_calls_nothing_is_lost() {
    let open_for = Duration::from_micros(1);
    let circuit = Circuit::builder("soak")
        .count_window(20)
        .minimum_calls(10)
        .open_for(open_for)
        .probes(PROBES)
        // Long, so that a probe that is lost stays lost.
        .probe_timeout(Duration::from_secs(3600))
        .build()
        .expect("the numbers agree");
    let policy = RetryPolicy::builder()
        .max_attempts(2)
        .backoff(Duration::from_nanos(1))
        .budget(RetryBudget::new(0.01, 10).expect("a ratio"))
        .build()
        .expect("the numbers agree");
    let bulkhead =
        BulkheadLayer::new(PLACES).expect("a limit").max_wait(Duration::from_millis(5)).max_queue(PLACES / 2);
    let places = bulkhead.semaphore().clone();
    let upstream = Upstream::default();
    let service = ServiceBuilder::new()
        .layer(TimeoutLayer::new(Duration::from_secs(3600)))
        .layer(RetryLayer::new(policy, ErrorsOnly.idempotent(|_: &_| true)))
        .layer(CircuitBreakerLayer::new(circuit.clone(), ErrorsOnly))
        .layer(bulkhead)
        .layer(TimeoutLayer::new(Duration::from_millis(1)))
        .service(upstream.clone());

    let mut tasks = JoinSet::new();
    for seed in 0..TASKS as u64 {
        tasks.spawn(storm(service.clone(), circuit.clone(), places.clone(), seed));
    }
    let mut endings = Endings::default();
    for task in tasks.join_all().await {
        for (total, calls) in endings.iter_mut().zip(task) {
            *total += calls;
        }
    }
    println!("{endings:?} {upstream:?}");

    // Every call ended once, in one of all the ways there are; and the upstream's books say the same.
    assert_eq!(endings.iter().sum::<usize>(), CALLS);
    assert!(endings.iter().all(|&calls| calls > 0), "{endings:?}");
    let books = &*upstream.0;
    assert_eq!(endings[Ending::Success as usize], books.successes.load(Relaxed));
    assert_eq!(endings[Ending::Panic as usize], books.panics.load(Relaxed));
    let retried = books.failures.load(Relaxed) - endings[Ending::Failure as usize];
    assert!(retried > 0 && retried <= CALLS / 100 + 10, "{retried} failures were retried");

    assert_eq!(books.present.load(Relaxed), 0);
    assert!(books.most_present.load(Relaxed) <= PLACES);
    assert_eq!((places.in_flight(), places.queued()), (0, 0));

    recover(&circuit, open_for).await;
    circuit.force_open_for(Duration::ZERO);
    assert_eq!(acquire_all(&circuit).len(), PROBES);
    recover(&circuit, open_for).await;
}
