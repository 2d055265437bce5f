//! What is played: an upstream, a load, and the part of the law that it falls under.

use std::time::Duration;

use crate::load::Load;
use crate::upstream::{
    Bucket, Connections, Down, Dying, Errors, Model, Outage, Pool, Schedule, Shard, Sharing, Shedder, Steady,
};

/// One line of the matrix.
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// Requests a second; `None` for closed loops.
    pub(crate) rate: Option<u32>,
    pub(crate) family: Family,
    pub(crate) load: Load,
    pub(crate) length: Duration,
    /// When it begins and how long it lasts.
    pub(crate) outage: Option<(Duration, Duration)>,
    make: Box<dyn Fn() -> Box<dyn Model> + Send + Sync>,
}

/// Which part of the law holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Nothing is wrong: what holds for partial failures, and nothing is rejected.
    Healthy,
    /// It is limited by capacity, or passes by itself, or fails at random, though not by more than 40 %.
    Partial,
    /// All of it is down for a while.
    Outage,
    /// Shown, and under the part of the law that holds everywhere.
    Shown,
}

pub(crate) const RATES: [u32; 4] = [1, 10, 100, 1000];

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What a healthy upstream takes.
const USUAL: Steady = Steady::new(millis(20));

impl Scenario {
    /// Whether the upstream says nothing at all while it is down.
    pub(crate) fn is_silent(&self) -> bool {
        ["outage-hang", "outage-hole"].iter().any(|silent| self.name.starts_with(silent))
    }

    fn new<M: Model + 'static>(
        name: impl Into<String>,
        rate: u32,
        family: Family,
        make: impl Fn() -> M + Send + Sync + 'static,
    ) -> Self {
        // Enough requests to tell 98 % from 97 %, and not many more.
        let length = match rate {
            0..10 => seconds(200),
            10..100 => seconds(60),
            100..1000 => seconds(20),
            _ => seconds(8),
        };
        let load = Load::Poisson { rate };
        let make = Box::new(move || -> Box<dyn Model> { Box::new(make()) });
        Self { name: name.into(), rate: Some(rate), family, load, length, outage: None, make }
    }

    /// One that is played over sockets: its upstream is a server, and not this one's.
    pub(crate) fn real(name: &str, load: Load, length: Duration, family: Family) -> Self {
        Self { rate: None, load, length, ..Self::new(name, 1, family, || USUAL) }
    }

    /// With an outage, under `rate` requests a second.
    pub(crate) fn down(self, rate: u32, from: Duration, length: Duration) -> Self {
        Self { rate: Some(rate), outage: Some((from, length)), ..self }
    }

    fn in_bursts(self, of: u32, bursts: u32) -> Self {
        let rate = self.rate.unwrap_or(1);
        let length = Duration::from_secs_f64(f64::from(of * bursts) / f64::from(rate) * 1.001);
        Self { load: Load::Bursts { rate, of }, length: length.max(self.length), ..self }
    }

    /// Whether it is meant by `name`: its name, or its name and its rate, as in `errors-20%@100`.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.name == name || self.title() == name
    }

    pub(crate) fn title(&self) -> String {
        match self.rate {
            Some(rate) => format!("{}@{rate}", self.name),
            None => self.name.clone(),
        }
    }

    /// About how many requests there are in a run.
    pub(crate) fn requests(&self) -> f64 {
        f64::from(self.rate.unwrap_or(1000)) * self.length.as_secs_f64()
    }

    /// Its upstream, new.
    pub(crate) fn model(&self) -> Box<dyn Model> {
        (self.make)()
    }
}

/// The whole matrix.
pub(crate) fn all() -> Vec<Scenario> {
    let mut all: Vec<_> = RATES.into_iter().flat_map(healthy).collect();
    all.extend(RATES.into_iter().flat_map(limited));
    all.push(closed_loop());
    all.extend(RATES.into_iter().flat_map(passing));
    all.extend(RATES.into_iter().flat_map(random));
    all.extend(RATES.into_iter().flat_map(outages));
    all.sort_by_key(|scenario| scenario.family == Family::Shown);
    all
}

fn healthy(rate: u32) -> Vec<Scenario> {
    // Below the attempt timeout, and more than twice what most would call slow.
    let slow = Steady::exactly(millis(2200));
    vec![
        Scenario::new("healthy", rate, Family::Healthy, || USUAL),
        Scenario::new("bursts-of-100", rate, Family::Healthy, || USUAL).in_bursts(100, 5),
        Scenario::new("slow-but-fine", rate, Family::Healthy, move || slow),
    ]
}

fn limited(rate: u32) -> Vec<Scenario> {
    let bucket = |name: &str, asked: f64, polite| {
        Scenario::new(name, rate, Family::Partial, move || Bucket::new(f64::from(rate) / asked, polite, USUAL))
    };
    vec![
        bucket("rate-limit-1.25x", 1.25, false),
        bucket("rate-limit-2x", 2.0, false),
        bucket("rate-limit-4x", 4.0, false),
        bucket("rate-limit-2x-polite", 2.0, true),
        Scenario::new("connection-limit", rate, Family::Partial, move || {
            let (limit, work) = sized(rate, 1.25);
            Connections::new(limit as usize, Steady::new(work))
        }),
        shedder("load-shedder-1.25x", rate, 1.25),
        shedder("load-shedder-2x", rate, 2.0),
        Scenario::new("knee-1.25x", rate, Family::Shown, move || {
            let (cores, work) = sized(rate, 1.25);
            Sharing::new(cores, work)
        }),
    ]
}

/// How many workers, and what each request takes them, so that they are asked for `asked` times what they can do.
fn sized(rate: u32, asked: f64) -> (u32, Duration) {
    let workers = match rate {
        0..10 => 1,
        10..1000 => 4,
        _ => 40,
    };
    (workers, Duration::from_secs_f64(f64::from(workers) * asked / f64::from(rate)))
}

/// With a queue of twice the workers, or less where a request would take more than 2.5 s with it.
fn shedder(name: &str, rate: u32, asked: f64) -> Scenario {
    Scenario::new(name, rate, Family::Partial, move || {
        let (workers, work) = sized(rate, asked);
        let bearable = f64::from(workers) * (2.5 / work.as_secs_f64() - 1.0);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number, not below zero")]
        let queue = bearable.clamp(0.0, f64::from(2 * workers)) as usize;
        Shedder::new(workers as usize, queue, work)
    })
}

/// As many clients as make twice what the upstream takes, each of which comes back at once.
fn closed_loop() -> Scenario {
    let load = Load::Loops { clients: 20, pause: millis(10) };
    let scenario =
        Scenario::new("connection-limit-loop", 1000, Family::Partial, || Connections::new(10, Steady::new(millis(50))));
    Scenario { rate: None, load, ..scenario }
}

fn passing(rate: u32) -> Vec<Scenario> {
    let every = |name: &str, period: u64, length: u64, down| {
        let schedule = Schedule::Every { period: millis(period), length: millis(length) };
        Scenario::new(name, rate, Family::Partial, move || Outage::new(schedule, down, USUAL))
    };
    let maintenance = every("maintenance-2s", 20_000, 2_000, Down::Maintenance);
    let burst = Duration::from_secs_f64(100.0 / f64::from(rate));
    vec![
        // One burst in five meets a pool of which every connection is dead.
        Scenario::new("keep-alive-burst", rate, Family::Partial, move || Pool::new(burst * 5, USUAL))
            .in_bursts(100, 16),
        Scenario::new("keep-alive-spread", rate, Family::Partial, || Dying::new(0.03, USUAL)),
        every("flapping-refused", 2_000, 500, Down::Refused),
        every("flapping-500", 4_000, 1_000, Down::Status),
        every("reload", 5_000, 100, Down::Reload),
        every("restart", 2_500, 200, Down::Refused),
        Scenario { length: maintenance.length.max(seconds(21)), ..maintenance },
        Scenario::new("dead-shard-502", rate, Family::Partial, || Shard::new(false, USUAL)),
        Scenario::new("dead-shard-hangs", rate, Family::Partial, || Shard::new(true, USUAL)),
    ]
}

fn random(rate: u32) -> Vec<Scenario> {
    let mut all = Vec::new();
    for percent in [5, 20, 40, 60, 80] {
        let ratio = f64::from(percent) / 100.0;
        let family = if percent <= 40 { Family::Partial } else { Family::Shown };
        all.push(Scenario::new(format!("errors-{percent}%"), rate, family, move || Errors::statuses(ratio, USUAL)));
        all.push(Scenario::new(format!("resets-{percent}%"), rate, family, move || Errors::resets(ratio, USUAL)));
    }
    all
}

fn outages(rate: u32) -> Vec<Scenario> {
    let kinds = [("refused", Down::Refused), ("500", Down::Status), ("hang", Down::Hang), ("hole", Down::BlackHole)];
    // A minute of a thousand a second is what takes longest to play, and shows what six seconds show.
    let lengths: &[u64] = if rate < 1000 { &[500, 6_000, 60_000] } else { &[500, 6_000] };
    let mut all = Vec::new();
    for (kind, down) in kinds {
        for &length in lengths {
            // Traffic enough before it to fill a window with, and time enough after it to break the law in.
            let from = if rate < 1000 { seconds(35) } else { seconds(12) };
            let length = millis(length);
            let schedule = Schedule::Once { from, length };
            let name = format!("outage-{kind}-{}s", length.as_secs_f64());
            let scenario = Scenario::new(name, rate, Family::Outage, move || Outage::new(schedule, down, USUAL));
            let end = from + length + length / 2 + seconds(5);
            all.push(Scenario { load: Load::Constant { rate }, length: end, outage: Some((from, length)), ..scenario });
        }
    }
    all
}
