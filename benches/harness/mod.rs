//! Races contenders against each other within one run.
//!
//! A benchmark that measures one thing for seconds and then the next compares two moments of a machine as much as
//! two pieces of code: the clock rate drifts, neighbours come and go. Here every short round runs each contender
//! once, the order rotates from round to round, and what is reported is the median over the rounds of the
//! *difference* to the first contender in the same round.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a bench reads the real clock")]
#![allow(dead_code, reason = "each bench takes what it needs of it")]

pub(crate) mod callees;

use std::future::poll_fn;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tower::Service;

/// How long a race is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// How often each contender runs.
    pub(crate) rounds: usize,
    /// How many calls it makes each time: few, so that most rounds are over before the scheduler steps in.
    pub(crate) calls: u64,
}

/// One piece of code that makes a number of calls and says how long they took, or that the round does not count.
/// Setup is not timed.
pub(crate) struct Contender<'a> {
    pub(crate) name: String,
    pub(crate) run: Box<dyn FnMut(u64) -> Option<Duration> + 'a>,
}

/// What a race says of one contender: nanoseconds a call.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    pub(crate) name: String,
    /// All of it.
    pub(crate) total: Spread,
    /// What it is over the first contender of the race.
    pub(crate) over: Spread,
}

/// The middle of the rounds, and what eight in ten of them lie between.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) p10: f64,
    pub(crate) median: f64,
    pub(crate) p90: f64,
}

impl Spread {
    /// Not a number, if no round counts.
    fn of(rounds: impl Iterator<Item = Option<f64>>) -> Self {
        let mut rounds: Vec<f64> = rounds.flatten().collect();
        rounds.sort_by(f64::total_cmp);
        let at = |tenths: usize| rounds.get(rounds.len().saturating_sub(1) * tenths / 10).copied().unwrap_or(f64::NAN);
        Self { p10: at(1), median: at(5), p90: at(9) }
    }
}

/// How long `run` takes.
pub(crate) fn timed(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

/// Makes calls as users do: an async function awaits each, and takes the response out of the result. No runtime is in the
/// figures. The same code for every contender.
#[inline(never)]
pub(crate) fn await_calls<S, R>(service: &mut S, calls: u64, new_request: impl Fn(u64) -> R)
where
    S: Service<R>,
{
    let mut cx = Context::from_waker(Waker::noop());
    let mut all = pin!(async {
        for number in 0..calls {
            let service = black_box(&mut *service);
            if poll_fn(|cx| service.poll_ready(cx)).await.is_err() {
                continue;
            }
            if let Ok(response) = service.call(new_request(black_box(number))).await {
                black_box(response);
            }
        }
    });
    until_ready(|| all.as_mut().poll(&mut cx));
}

/// Makes calls whose futures lie on the stack and are polled by hand. That flatters: it spares them a move.
#[inline(never)]
pub(crate) fn make_calls<S: Service<u64>>(service: &mut S, calls: u64) {
    let mut cx = Context::from_waker(Waker::noop());
    for request in 0..calls {
        let service = black_box(&mut *service);
        let _ready = until_ready(|| service.poll_ready(&mut cx));
        let mut response = pin!(service.call(black_box(request)));
        let _response = black_box(until_ready(|| response.as_mut().poll(&mut cx)));
    }
}

/// Whoever waits for another thread may spin for so many polls, then lets it run: it may not have a core.
const SPINS: u32 = 100;

#[inline]
fn until_ready<T>(mut poll: impl FnMut() -> Poll<T>) -> T {
    let mut polls = 0;
    loop {
        if let Poll::Ready(value) = poll() {
            return value;
        }
        polls += 1;
        if polls % SPINS == 0 {
            std::thread::yield_now();
        }
    }
}

/// Runs the race. The first contender is what the others are compared with.
#[allow(clippy::cast_precision_loss, reason = "far fewer than 2^53 calls")]
pub(crate) fn race(mut contenders: Vec<Contender<'_>>, pace: Pace) -> Vec<Figures> {
    for contender in &mut contenders {
        (contender.run)(pace.calls);
    }
    let mut rounds = vec![Vec::with_capacity(pace.rounds); contenders.len()];
    for round in 0..pace.rounds {
        for turn in 0..contenders.len() {
            let index = (round + turn) % contenders.len();
            let elapsed = (contenders[index].run)(pace.calls);
            rounds[index].push(elapsed.map(|elapsed| elapsed.as_nanos() as f64 / pace.calls as f64));
        }
    }
    let figures = |(contender, own): (Contender<'_>, &Vec<Option<f64>>)| Figures {
        name: contender.name,
        total: Spread::of(own.iter().copied()),
        over: Spread::of(own.iter().zip(&rounds[0]).map(|(own, first)| Some((*own)? - (*first)?))),
    };
    contenders.into_iter().zip(&rounds).map(figures).collect()
}

/// Prints a race as a table.
pub(crate) fn print(title: &str, figures: &[Figures]) {
    println!("\n{title:40} {:>8}  {:>16} {:>10} {:>7}", "ns", "p10..p90", "over", "ratio");
    for Figures { name, total, over } in figures {
        let spread = format!("{:.1}..{:.1}", total.p10, total.p90);
        let ratio = total.median / figures[0].total.median;
        println!("{name:40} {:8.1}  {spread:>16} {:10.1} {ratio:7.1}", total.median, over.median);
    }
}
