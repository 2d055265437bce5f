//! The circuit against a reference: a slow, obvious breaker that keeps every call with its time and works everything
//! out anew at each question. Both are driven through the same random histories and must agree after every step.
//!
//! About 100,000 steps; `WINDBREAK_STEPS=10000000` asks for more (then with `--release`).

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::task::unconstrained;
use tower::{Layer, Service, service_fn};
use windbreak::backoff::{Backoff, Jitter};
use windbreak::circuit_breaker::{CircuitBuilder, Permit, State, StateWatcher};
use windbreak::rules::Classify;
use windbreak::window::Tally;
use windbreak::{Circuit, CircuitBreakerLayer, Effect, Error, Failure, Rejection, Verdict};

const NANOSECOND: Duration = Duration::from_nanos(1);
const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Long enough for several turns through all states, short enough to shrink.
const LONGEST_HISTORY: usize = 800;

// ---- what a circuit is built with ----

/// A share, as a fraction: the reference compares by multiplying across and never divides.
#[derive(Debug, Clone, Copy)]
struct Share {
    part: u32,
    whole: u32,
}

impl Share {
    fn ratio(self) -> f64 {
        f64::from(self.part) / f64::from(self.whole)
    }

    fn is_reached_by(self, part: u64, calls: u64) -> bool {
        calls > 0 && part * u64::from(self.whole) >= u64::from(self.part) * calls
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Window {
    Count(usize),
    Time { nanos: u64, buckets: usize },
}

#[derive(Debug, Clone)]
struct Rules {
    window: Window,
    failures: Share,
    minimum_calls: u64,
    slow: Option<(Duration, Share)>,
    first_wait: Duration,
    factor: u32,
    max_wait: Duration,
    probes: u64,
    probe_timeout: Duration,
    minimum_span: Duration,
    abandoned_after: Option<Duration>,
    recover_over: Option<Duration>,
}

impl Rules {
    fn builder(&self) -> CircuitBuilder {
        let wait = Backoff::exponential(self.first_wait).factor(self.factor.into()).max(self.max_wait);
        let count = |number: u64| usize::try_from(number).expect("a small number");
        let builder = Circuit::builder("upstream")
            .failure_ratio(self.failures.ratio())
            .minimum_calls(count(self.minimum_calls))
            .open_for(wait.jitter(Jitter::None))
            .probes(count(self.probes))
            .probe_timeout(self.probe_timeout)
            .minimum_span(self.minimum_span);
        let builder = match self.window {
            Window::Count(calls) => builder.count_window(calls),
            Window::Time { nanos, buckets } => builder.time_window_with_buckets(Duration::from_nanos(nanos), buckets),
        };
        let builder = match self.abandoned_after {
            Some(duration) => builder.abandoned_after(duration),
            None => builder,
        };
        let builder = match self.recover_over {
            Some(duration) => builder.recover_over(duration),
            None => builder,
        };
        match self.slow {
            Some((threshold, share)) => builder.slow_calls(threshold, share.ratio()),
            None => builder,
        }
    }
}

fn any_share() -> impl Strategy<Value = Share> {
    (1_u32..=12).prop_flat_map(|whole| (1..=whole).prop_map(move |part| Share { part, whole }))
}

/// From a nanosecond to minutes, with round numbers among them so that moments coincide.
fn span(number: u32) -> Duration {
    let some = u64::from(number / 4);
    match number % 4 {
        0 => Duration::from_nanos(1 + some % 20),
        1 => Duration::from_millis(1 + some % 20),
        2 => Duration::from_secs(1 + some % 100),
        _ => Duration::from_nanos(1 + some * 101),
    }
}

fn any_span() -> impl Strategy<Value = Duration> {
    any::<u32>().prop_map(span)
}

fn any_rules() -> impl Strategy<Value = Rules> {
    let window = prop_oneof![
        (1_usize..40).prop_map(Window::Count),
        (prop_oneof![20_u64..200, 1_000_000_000_u64..60_000_000_000], 1_usize..12)
            .prop_map(|(nanos, buckets)| Window::Time { nanos, buckets }),
    ];
    let wait = (any_span(), 1_u32..=3, any_span());
    let slow = prop::option::of((any_span(), any_share()));
    let probes = (1_u64..8, any_span());
    let minimum_span = prop_oneof![2 => Just(Duration::ZERO), 1 => any_span()];
    let times = (minimum_span, prop::option::of(any_span()), prop::option::of(any_span()));
    (window, any_share(), 1_u64..12, slow, wait, probes, times).prop_map(
        |(window, failures, minimum_calls, slow, (first_wait, factor, further), probes, times)| {
            let (probes, probe_timeout) = probes;
            let (minimum_span, abandoned_after, recover_over) = times;
            let most = if let Window::Count(calls) = window { calls as u64 } else { u64::MAX };
            let minimum_calls = minimum_calls.min(most);
            let max_wait = first_wait + further;
            Rules {
                window,
                failures,
                minimum_calls,
                slow,
                first_wait,
                factor,
                max_wait,
                probes,
                probe_timeout,
                minimum_span,
                abandoned_after,
                recover_over,
            }
        },
    )
}

// ---- the reference ----

#[derive(Debug, Clone, Copy)]
struct Recorded {
    at: Duration,
    failed: bool,
    slow: bool,
}

fn count<'a>(calls: impl Iterator<Item = &'a Recorded>) -> Tally {
    let mut tally = Tally::default();
    for call in calls {
        tally.calls += 1;
        tally.failures += u64::from(call.failed);
        tally.slow += u64::from(call.slow);
    }
    tally
}

/// A request that was admitted.
#[derive(Debug, Clone, Copy)]
struct Call {
    began: Duration,
    /// Between which two changes of state it was admitted; `None` if nothing is recorded of it.
    era: Option<u64>,
    /// Its place among the probes of that era, if it is one.
    probe: Option<usize>,
    /// Whether its time counts.
    timed: bool,
}

#[derive(Debug, Clone, Copy)]
enum Probe {
    Out { since: Duration },
    GivenBack,
    Ended(Recorded),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Says(Verdict),
    Panics,
    IsCancelled,
}

struct Reference {
    rules: Rules,
    now: Duration,
    state: State,
    era: u64,
    recorded: Vec<Recorded>,
    /// When the window was judged, and whether the failures were too many.
    judgements: Vec<(Duration, bool)>,
    probes: Vec<Probe>,
    /// The time of cancelled probes that is not yet counted.
    cancelled: Duration,
    recovering_since: Duration,
    /// Where the edges of a time window begin.
    edges_from: Duration,
    opened_by: Tally,
    /// `None` is never.
    open_until: Option<Duration>,
    openings_in_a_row: u32,
    seen: BTreeMap<&'static str, u64>,
}

impl Reference {
    fn new(rules: Rules) -> Self {
        Self {
            rules,
            now: Duration::ZERO,
            state: State::Closed,
            era: 0,
            recorded: Vec::new(),
            judgements: Vec::new(),
            probes: Vec::new(),
            cancelled: Duration::ZERO,
            recovering_since: Duration::ZERO,
            edges_from: Duration::ZERO,
            opened_by: Tally::default(),
            open_until: None,
            openings_in_a_row: 0,
            seen: BTreeMap::new(),
        }
    }

    fn saw(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn window(&self) -> Tally {
        match self.rules.window {
            Window::Count(calls) => count(self.recorded.iter().rev().take(calls)),
            // The clock is cut at fixed edges; a call counts while fewer edges than buckets lie between it and now.
            Window::Time { nanos, buckets } => {
                let edges =
                    |at: Duration| at.saturating_sub(self.edges_from).as_nanos() * buckets as u128 / u128::from(nanos);
                count(self.recorded.iter().filter(|call| edges(self.now) - edges(call.at) < buckets as u128))
            }
        }
    }

    fn tally(&self) -> Tally {
        match self.state {
            State::Open => self.opened_by,
            State::HalfOpen => count(self.ended_probes().iter()),
            _ => self.window(),
        }
    }

    fn ended_probes(&self) -> Vec<Recorded> {
        let ended = |probe: &Probe| if let Probe::Ended(recorded) = probe { Some(*recorded) } else { None };
        self.probes.iter().filter_map(ended).collect()
    }

    fn too_many(&self, tally: Tally) -> bool {
        self.rules.failures.is_reached_by(tally.failures, tally.calls)
            || self.rules.slow.is_some_and(|(_, share)| share.is_reached_by(tally.slow, tally.calls))
    }

    fn change_to(&mut self, state: State) {
        self.state = state;
        self.era += 1;
        self.probes.clear();
        self.cancelled = Duration::ZERO;
    }

    fn forget_calls(&mut self) {
        self.recorded.clear();
        self.judgements.clear();
    }

    fn forget(&mut self) {
        self.forget_calls();
        self.openings_in_a_row = 0;
    }

    fn next_wait(&mut self) -> Duration {
        let mut wait = self.rules.first_wait;
        for _ in 0..self.openings_in_a_row {
            wait = (wait * self.rules.factor).min(self.rules.max_wait);
        }
        self.openings_in_a_row += 1;
        wait
    }

    fn open(&mut self, at: Duration, wait: Duration) {
        self.open_until = Some(at + wait);
        self.opened_by = self.tally();
        self.change_to(State::Open);
    }

    fn judge_window(&mut self) {
        let tally = self.window();
        let exceeded = tally.calls >= self.rules.minimum_calls && self.too_many(tally);
        self.judgements.push((self.now, exceeded));
        if !exceeded {
            return;
        }
        // Back to where the failures first were too many.
        let run = self.judgements.iter().rev().take_while(|(_, exceeded)| *exceeded);
        let since = run.map(|(at, _)| *at).min().expect("it is exceeded now");
        let last = self.recorded.last().expect("a call was recorded");
        let spans = self.rules.minimum_span.is_zero()
            || ((last.failed || last.slow) && self.now.saturating_sub(since) >= self.rules.minimum_span);
        if spans {
            self.saw(if self.state == State::Closed { "closed to open" } else { "recovering to open" });
            let wait = self.next_wait();
            self.open(self.now, wait);
        } else {
            self.saw("failures that do not span the time");
        }
    }

    /// Tries every way in which the missing probes can end. If all lead to the same judgement, that is it.
    fn judge_probes(&mut self, at: Duration) {
        if self.state != State::HalfOpen {
            return;
        }
        let ended = self.tally();
        let probes = self.rules.probes.max(ended.calls);
        let missing = probes - ended.calls;
        let mut judgements = Vec::new();
        for failures in 0..=missing {
            for slow in 0..=missing {
                judgements.push(self.too_many(Tally::new(probes, ended.failures + failures, ended.slow + slow)));
            }
        }
        if judgements.iter().all(|&too_many| too_many) {
            self.saw("half-open to open");
            let wait = self.next_wait();
            self.open(at, wait);
        } else if !judgements.contains(&true) {
            self.forget_calls();
            if self.rules.recover_over.is_some() {
                self.saw("half-open to recovering");
                self.recovering_since = at;
                self.change_to(State::Recovering);
            } else {
                self.saw("half-open to closed");
                self.openings_in_a_row = 0;
                self.change_to(State::Closed);
            }
        }
    }

    /// Hung probes and the end of a recovery are noticed when a request arrives or a result comes in.
    fn notice_time(&mut self) {
        self.notice_hung_probes();
        let over = self.rules.recover_over.unwrap_or_default();
        if self.state == State::Recovering && self.now >= self.recovering_since + over {
            self.saw("recovering to closed");
            self.openings_in_a_row = 0;
            // Calls that are under way still count, so the era goes on.
            self.state = State::Closed;
        }
    }

    /// A probe was cancelled: its time is added to that of others, and each full timeout of it is a failed probe.
    fn add_cancelled(&mut self, spent: Duration) {
        self.cancelled += spent;
        while self.state == State::HalfOpen && self.cancelled >= self.rules.probe_timeout {
            self.saw("cancelled probes add up");
            self.cancelled -= self.rules.probe_timeout;
            self.probes.push(Probe::Ended(Recorded { at: self.now, failed: true, slow: self.is_hung_slow() }));
            self.judge_probes(self.now);
        }
    }

    fn is_hung_slow(&self) -> bool {
        self.rules.slow.is_some_and(|(threshold, _)| self.rules.probe_timeout >= threshold)
    }

    /// What hung probes change, they changed when their time was over.
    fn notice_hung_probes(&mut self) {
        let timeout = self.rules.probe_timeout;
        let slow = self.is_hung_slow();
        loop {
            let hung = self.probes.iter_mut().filter_map(|probe| match *probe {
                Probe::Out { since } if self.now.saturating_sub(since) > timeout => Some((since + timeout, probe)),
                _ => None,
            });
            let Some((at, probe)) = hung.min_by_key(|(at, _)| *at) else { return };
            *probe = Probe::Ended(Recorded { at, failed: true, slow });
            self.saw("hung probe");
            self.judge_probes(at);
            if self.state == State::Open && self.open_until <= Some(self.now) {
                self.saw("hung probes whose open wait is over too");
            }
        }
    }

    fn acquire(&mut self) -> Result<Call, Option<Duration>> {
        self.notice_time();
        if self.state == State::Open && self.open_until.is_some_and(|until| self.now >= until) {
            self.saw("open to half-open");
            if self.open_until == Some(self.now) {
                self.saw("admitted at the very end of the wait");
            }
            self.change_to(State::HalfOpen);
        }
        let taken = self.probes.iter().filter(|probe| !matches!(probe, Probe::GivenBack)).count() as u64;
        let mut probe = None;
        match self.state {
            State::Open => return Err(self.open_until.map(|until| until.saturating_sub(self.now))),
            State::ForcedOpen => return Err(None),
            State::HalfOpen if taken >= self.rules.probes => {
                self.saw("all probes are out");
                return Err(None);
            }
            State::HalfOpen => {
                probe = Some(self.probes.len());
                self.probes.push(Probe::Out { since: self.now });
            }
            _ => {}
        }
        let era = (self.state != State::ForcedClosed).then_some(self.era);
        let timed = probe.is_some() || self.rules.slow.is_some() || self.rules.abandoned_after.is_some();
        Ok(Call { began: self.now, era, probe, timed })
    }

    fn finish(&mut self, call: Call, end: End) {
        let Some(era) = call.era else { return };
        let ran = self.now.saturating_sub(call.began);
        let slow = call.timed && self.rules.slow.is_some_and(|(threshold, _)| ran > threshold);
        let abandoned = call.timed && self.rules.abandoned_after.is_some_and(|duration| ran >= duration);
        let failed = match end {
            End::Says(Verdict::Failure(_)) | End::Panics => Some(true),
            End::Says(Verdict::Ignored) => None,
            End::Says(_) => Some(false),
            End::IsCancelled if abandoned => Some(true),
            End::IsCancelled => slow.then_some(false),
        };
        let recorded = failed.map(|failed| Recorded { at: self.now, failed, slow });
        let is_probe = self.state == State::HalfOpen && call.probe.is_some();
        if is_probe || self.state == State::Recovering && era == self.era && recorded.is_some() {
            self.notice_time();
        }
        if era != self.era {
            self.saw("result of an earlier era");
            return;
        }
        match (self.state, recorded, call.probe) {
            (State::Closed | State::Recovering, Some(recorded), _) => {
                if abandoned && end == End::IsCancelled {
                    self.saw("abandoned");
                }
                self.recorded.push(recorded);
                self.judge_window();
            }
            (State::ObserveOnly, Some(recorded), _) => self.recorded.push(recorded),
            (State::HalfOpen, recorded, Some(probe)) => {
                let Probe::Out { since } = self.probes[probe] else { return };
                self.probes[probe] = recorded.map_or(Probe::GivenBack, Probe::Ended);
                if recorded.is_some() {
                    return self.judge_probes(self.now);
                }
                self.saw("probe gives its place back");
                if end == End::IsCancelled {
                    self.add_cancelled(self.now.saturating_sub(since));
                }
            }
            _ => {}
        }
    }

    /// Goes by other rules. The window keeps what it has room for.
    fn reconfigure(&mut self, rules: Rules) {
        self.notice_time();
        self.judgements.clear();
        self.cancelled = Duration::ZERO;
        match (self.rules.window, rules.window) {
            (Window::Count(before), Window::Count(after)) => {
                let kept = self.recorded.len().min(before).min(after);
                self.recorded.drain(..self.recorded.len() - kept);
            }
            (before, after) if before == after => {}
            _ => {
                self.recorded.clear();
                self.edges_from = self.now;
            }
        }
        let waits = |rules: &Rules| (rules.first_wait, rules.factor, rules.max_wait);
        if waits(&rules) != waits(&self.rules) {
            self.openings_in_a_row = 0;
        }
        self.rules = rules;
        self.judge_probes(self.now);
    }

    fn operate(&mut self, switch: Switch) {
        let state = match switch {
            Switch::OpenFor(wait) => {
                self.opened_by = self.tally();
                self.open_until = (wait != Duration::MAX).then(|| self.now + wait);
                return self.change_to(State::Open);
            }
            Switch::ForceOpen => State::ForcedOpen,
            Switch::ForceClosed => State::ForcedClosed,
            Switch::ObserveOnly => State::ObserveOnly,
            Switch::Reset => State::Closed,
        };
        self.forget();
        self.change_to(state);
    }
}

// ---- what happens ----

#[derive(Debug, Clone, Copy)]
enum Switch {
    ForceOpen,
    ForceClosed,
    ObserveOnly,
    OpenFor(Duration),
    Reset,
}

#[derive(Debug, Clone, Copy)]
enum Span {
    Any(Duration),
    Months(u32),
    RestOfWait,
    SlowThreshold,
    ProbeTimeout,
    HalfProbeTimeout,
    /// The span of failures, the time after which a call is abandoned, the recovery.
    Other(u32),
    Window,
    Bucket,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Acquire {
        through_a_service: bool,
    },
    Finish {
        which: usize,
        end: End,
    },
    /// So long, and a nanosecond less or more.
    Advance(Span, i8),
    Operate(Switch),
    Reconfigure(usize),
    /// A request that is cancelled after half a probe timeout. By itself chance seldom picks the same call twice.
    AcquireAndCancel(i8),
}

/// Decoded from two numbers by hand: a tree of strategies takes ten times as long as all the rest. Removing steps is
/// what shrinks a history well, and that works as ever.
fn any_step() -> impl Strategy<Value = Step> {
    (0_u32..1000, any::<u32>()).prop_map(|(kind, number)| match kind {
        0..460 => Step::Acquire { through_a_service: number % 2 == 1 },
        460..880 => Step::Finish { which: (number / 32) as usize, end: any_end(number % 32, number / 1024) },
        880..950 => Step::Advance(any_advance(number / 3), i8::try_from(number % 3).map_or(0, |off| off - 1)),
        950..985 => Step::AcquireAndCancel(i8::try_from(number % 2).unwrap_or_default()),
        985..990 => Step::Reconfigure(number as usize),
        _ => Step::Operate(any_switch(number)),
    })
}

fn any_end(kind: u32, number: u32) -> End {
    End::Says(match kind {
        0..11 => Verdict::Success,
        11..21 => Verdict::UNKNOWN,
        21 if number % 2 == 0 => Verdict::throttled(Some(span(number))),
        21 => Verdict::in_progress(Some(span(number))),
        22 => Verdict::Declined,
        23 => Verdict::Ignored,
        24..31 => return End::IsCancelled,
        _ => return End::Panics,
    })
}

fn any_advance(number: u32) -> Span {
    match number % 40 {
        0..4 => Span::Any(span(number / 40)),
        4 => Span::Months(number / 40 % 12),
        5..24 => Span::RestOfWait,
        24..26 => Span::SlowThreshold,
        26..28 => Span::ProbeTimeout,
        28..34 => Span::HalfProbeTimeout,
        34..37 => Span::Other(number / 40 % 3),
        37 => Span::Window,
        _ => Span::Bucket,
    }
}

fn any_switch(number: u32) -> Switch {
    match number % 12 {
        0 => Switch::ForceOpen,
        1 => Switch::ForceClosed,
        2 => Switch::ObserveOnly,
        3 => Switch::OpenFor(Duration::ZERO),
        4 => Switch::OpenFor(Duration::MAX),
        5 => Switch::OpenFor(span(number / 12)),
        _ => Switch::Reset,
    }
}

// ---- the circuit under test ----

/// How a call under way is told to end.
type Script = Rc<Cell<Option<End>>>;

struct Scripted(Script);

impl Future for Scripted {
    type Output = Result<Verdict, Error<()>>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match self.0.get() {
            Some(End::Says(verdict)) => Poll::Ready(Ok(verdict)),
            // Unlike `panic!` it prints nothing.
            Some(End::Panics) => resume_unwind(Box::new(())),
            Some(End::IsCancelled) | None => Poll::Pending,
        }
    }
}

/// The response is the verdict.
#[derive(Clone)]
struct AsTold;

impl Classify<Verdict, Error<()>> for AsTold {
    fn classify(&self, result: Result<&Verdict, &Error<()>>) -> Verdict {
        *result.expect("the upstream responds")
    }
}

enum Held {
    Permit(Permit),
    Response(Script, Pin<Box<dyn Future<Output = Result<Verdict, Error<()>>>>>),
}

impl Held {
    fn finish(self, end: End) {
        match (self, end) {
            (Self::Permit(permit), End::Says(verdict)) => permit.record(verdict),
            (Self::Permit(permit), End::Panics) => permit.record(Verdict::Failure(Failure::new(Effect::Unknown))),
            (_, End::IsCancelled) => {}
            (Self::Response(script, mut response), end) => {
                script.set(Some(end));
                let mut context = Context::from_waker(Waker::noop());
                let polled = catch_unwind(AssertUnwindSafe(|| response.as_mut().poll(&mut context)));
                assert_eq!(polled.is_err(), end == End::Panics);
            }
        }
    }
}

struct Subject {
    circuit: Circuit,
    states: StateWatcher,
    held: Vec<Held>,
}

impl Subject {
    fn new(rules: &Rules) -> Self {
        let circuit = rules.builder().build().expect("the rules are valid");
        let states = circuit.subscribe();
        // The first look puts the edges of a time window in place.
        assert_eq!(circuit.snapshot().tally, Tally::default());
        Self { circuit, states, held: Vec::new() }
    }

    fn acquire(&mut self, through_a_service: bool) -> Result<(), Rejection> {
        self.held.push(if through_a_service { self.call()? } else { Held::Permit(self.circuit.acquire()?) });
        Ok(())
    }

    /// While the circuit recovers chance decides; so it is asked until it says yes, to be where the reference is.
    fn acquire_at_last(&mut self, through_a_service: bool) {
        for _ in 0..10_000 {
            match self.acquire(through_a_service) {
                Ok(()) => return,
                Err(Rejection::CircuitOpen { retry_after, .. }) => assert_eq!(retry_after, None),
                Err(other) => panic!("{other:?}"),
            }
        }
        panic!("of 10,000 requests at least a tenth is admitted");
    }

    fn call(&self) -> Result<Held, Rejection> {
        let mut context = Context::from_waker(Waker::noop());
        let mut service =
            CircuitBreakerLayer::new(self.circuit.clone(), AsTold).layer(service_fn(|script: Script| Scripted(script)));
        assert!(service.poll_ready(&mut context).is_ready());
        let script = Script::default();
        // A rejection spends the budget of the task, which is that of the whole walk.
        let mut response = Box::pin(unconstrained(service.call(Rc::clone(&script))));
        match response.as_mut().poll(&mut context) {
            Poll::Pending => Ok(Held::Response(script, response)),
            Poll::Ready(Err(Error::Rejected(rejection))) => Err(rejection),
            Poll::Ready(other) => panic!("answered {other:?} without being told to"),
        }
    }

    fn operate(&self, switch: Switch) {
        match switch {
            Switch::ForceOpen => self.circuit.force_open(),
            Switch::ForceClosed => self.circuit.force_closed(),
            Switch::ObserveOnly => self.circuit.observe_only(),
            Switch::OpenFor(wait) => self.circuit.force_open_for(wait),
            Switch::Reset => self.circuit.reset(),
        }
    }
}

// ---- both, side by side ----

/// Two circuits walk beside the reference: one is looked at after each step, the other only through its answers,
/// because looking brings a circuit up to date.
struct Walk {
    reference: Reference,
    calls: Vec<Call>,
    watched: Subject,
    left_alone: Subject,
    /// What they may be reconfigured to.
    rules: Vec<Rules>,
}

impl Walk {
    fn new(rules: Vec<Rules>) -> Self {
        Self {
            reference: Reference::new(rules[0].clone()),
            calls: Vec::new(),
            watched: Subject::new(&rules[0]),
            left_alone: Subject::new(&rules[0]),
            rules,
        }
    }

    fn subjects(&mut self) -> [&mut Subject; 2] {
        [&mut self.watched, &mut self.left_alone]
    }

    async fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        if let Step::AcquireAndCancel(off) = step {
            let calls = self.calls.len();
            self.take_one(Step::Acquire { through_a_service: off > 0 }).await?;
            self.take_one(Step::Advance(Span::HalfProbeTimeout, off)).await?;
            if self.calls.len() > calls {
                self.take_one(Step::Finish { which: calls, end: End::IsCancelled }).await?;
            }
            return Ok(());
        }
        self.take_one(step).await
    }

    async fn take_one(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::AcquireAndCancel(_) => {}
            Step::Acquire { through_a_service } => {
                let expected = self.reference.acquire();
                let recovers = self.reference.state == State::Recovering;
                for subject in self.subjects() {
                    if recovers {
                        subject.acquire_at_last(through_a_service);
                        continue;
                    }
                    match (subject.acquire(through_a_service), &expected) {
                        (Ok(()), Ok(_)) => {}
                        (Err(Rejection::CircuitOpen { retry_after, .. }), Err(expected)) => {
                            prop_assert_eq!(retry_after, *expected);
                        }
                        (got, expected) => prop_assert!(false, "{got:?} instead of {expected:?}"),
                    }
                }
                self.calls.extend(expected);
            }
            Step::Finish { which, end } => {
                if !self.calls.is_empty() {
                    let which = which % self.calls.len();
                    self.reference.finish(self.calls.swap_remove(which), end);
                    for subject in self.subjects() {
                        subject.held.swap_remove(which).finish(end);
                    }
                }
            }
            Step::Advance(span, off) => {
                let by = self.length_of(span);
                let by = if off < 0 { by.saturating_sub(NANOSECOND) } else { by };
                let by = if off > 0 { by + NANOSECOND } else { by };
                self.reference.now += by;
                tokio::time::advance(by).await;
            }
            Step::Reconfigure(which) => {
                let rules = self.rules[which % self.rules.len()].clone();
                self.reference.saw("reconfigured");
                self.reference.reconfigure(rules.clone());
                for subject in self.subjects() {
                    subject.circuit.reconfigure(|_| rules.builder()).expect("the rules are valid");
                }
            }
            Step::Operate(switch) => {
                self.reference.operate(switch);
                for subject in self.subjects() {
                    subject.operate(switch);
                }
            }
        }
        self.compare()
    }

    fn length_of(&self, span: Span) -> Duration {
        let rules = &self.reference.rules;
        match (span, rules.window) {
            (Span::Any(span), _) => span,
            (Span::Months(months), _) => MONTH * months,
            (Span::RestOfWait, _) => {
                let until = self.reference.open_until.filter(|_| self.reference.state == State::Open);
                until.map_or(Duration::ZERO, |until| until.saturating_sub(self.reference.now))
            }
            (Span::SlowThreshold, _) => rules.slow.map_or(Duration::ZERO, |(threshold, _)| threshold),
            (Span::ProbeTimeout, _) => rules.probe_timeout,
            (Span::HalfProbeTimeout, _) => rules.probe_timeout / 2,
            (Span::Other(which), _) => match which {
                0 => rules.minimum_span,
                1 => rules.abandoned_after.unwrap_or_default(),
                _ => rules.recover_over.unwrap_or_default(),
            },
            (Span::Window | Span::Bucket, Window::Count(_)) => Duration::ZERO,
            (Span::Window, Window::Time { nanos, .. }) => Duration::from_nanos(nanos),
            (Span::Bucket, Window::Time { nanos, buckets }) => Duration::from_nanos(nanos / buckets as u64),
        }
    }

    fn compare(&mut self) -> Result<(), TestCaseError> {
        let Self { reference, watched, left_alone, .. } = self;
        let expected = reference.tally();
        let snapshot = watched.circuit.snapshot();
        prop_assert_eq!((snapshot.state, snapshot.tally), (reference.state, expected));
        for (ratio, part) in [(expected.failure_ratio(), expected.failures), (expected.slow_ratio(), expected.slow)] {
            // Found by multiplying back, not by the same division.
            let back = ratio.map(|ratio| (ratio * as_f64(expected.calls)).round());
            prop_assert_eq!(back, (expected.calls > 0).then(|| as_f64(part)));
        }
        for subject in [watched, left_alone] {
            prop_assert_eq!(subject.circuit.state(), reference.state);
            prop_assert_eq!(subject.states.state(), reference.state);
        }
        Ok(())
    }
}

fn as_f64(number: u64) -> f64 {
    f64::from(u32::try_from(number).expect("a history is short"))
}

#[test]
fn agrees_with_a_plain_list_of_calls_step_by_step() {
    let wanted = match std::env::var("WINDBREAK_STEPS") {
        Ok(steps) => steps.parse().expect("WINDBREAK_STEPS is a number"),
        Err(_) => 100_000_u64,
    };
    let taken = Cell::new(0);
    let seen = RefCell::new(BTreeMap::new());

    let config = Config { cases: 64, failure_persistence: None, max_shrink_iters: 50_000, ..Config::default() };
    let histories = (prop::collection::vec(any_rules(), 3), prop::collection::vec(any_step(), 1..=LONGEST_HISTORY));
    while taken.get() < wanted {
        // A runner counts its cases over all its runs, so each run takes a new one.
        let result = TestRunner::new(config.clone()).run(&histories, |(rules, steps)| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
            runtime.block_on(async {
                let mut walk = Walk::new(rules);
                walk.compare()?;
                taken.set(taken.get() + steps.len() as u64);
                for step in steps {
                    walk.take(step).await?;
                }
                for (what, times) in walk.reference.seen {
                    *seen.borrow_mut().entry(what).or_insert(0) += times;
                }
                // Look at the one that was not used meanwhile.
                prop_assert_eq!(walk.left_alone.circuit.snapshot().tally, walk.watched.circuit.snapshot().tally);
                Ok(())
            })
        });
        if let Err(error) = result {
            panic!("{error}");
        }
    }

    // The walk is of use only if it comes everywhere.
    let (taken, seen) = (taken.get(), seen.into_inner());
    println!("{taken} steps: {seen:?}");
    for what in [
        "closed to open",
        "open to half-open",
        "half-open to open",
        "half-open to closed",
        "half-open to recovering",
        "recovering to closed",
        "recovering to open",
        "failures that do not span the time",
        "abandoned",
        "cancelled probes add up",
        "reconfigured",
        "admitted at the very end of the wait",
        "all probes are out",
        "probe gives its place back",
        "hung probe",
        "hung probes whose open wait is over too",
        "result of an earlier era",
    ] {
        let times = seen.get(what).copied().unwrap_or_default();
        assert!(times > taken / 10_000, "{what}: only {times} times in {taken} steps");
    }
}
