//! What the server goes through, and when.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

/// How the server is. A response takes its workers `BRISK` when it is well, and `SLUGGISH` when it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Healthy,
    /// Works, but so slowly that it cannot keep up.
    Slow,
    /// Half of its responses are 503.
    Erring,
    /// Has crashed: its connections are closed, and so is its port.
    Refusing,
    /// Listens again, accepts every connection, and never responds.
    Hanging,
    /// From sluggish to brisk, and from a third of 503s to none.
    Recovering,
}

/// The moods, and how many of the twenty steps each of them lasts.
const SCRIPT: [(Mood, u32); 7] = [
    (Mood::Healthy, 3),
    (Mood::Slow, 3),
    (Mood::Erring, 3),
    (Mood::Refusing, 2),
    (Mood::Hanging, 2),
    (Mood::Recovering, 3),
    (Mood::Healthy, 4),
];

const BRISK: Duration = Duration::from_millis(20);
const SLUGGISH: Duration = Duration::from_millis(100);

/// The script, played since a certain moment. Clients and servers share one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Script {
    started: Instant,
    step: Duration,
}

/// One mood, from when to when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Phase {
    pub(crate) mood: Mood,
    pub(crate) start: Duration,
    pub(crate) end: Duration,
}

impl Script {
    pub(crate) const STEPS: u32 = 20;

    /// Starts now. The whole takes twenty steps.
    pub(crate) fn start(step: Duration) -> Self {
        Self { started: Instant::now(), step }
    }

    pub(crate) const fn step(&self) -> Duration {
        self.step
    }

    pub(crate) fn length(&self) -> Duration {
        self.step * Self::STEPS
    }

    /// The time since the start.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) async fn sleep_until(&self, time: Duration) {
        tokio::time::sleep_until(self.started + time).await;
    }

    pub(crate) fn phases(&self) -> impl Iterator<Item = Phase> + Send + use<> {
        let step = self.step;
        SCRIPT.into_iter().scan(0, move |begun, (mood, steps)| {
            let start = step * *begun;
            *begun += steps;
            Some(Phase { mood, start, end: step * *begun })
        })
    }

    /// The phase at this time; the last one after the end.
    pub(crate) fn phase_at(&self, time: Duration) -> Phase {
        let last = Phase { mood: Mood::Healthy, start: self.length(), end: Duration::MAX };
        self.phases().find(|phase| time < phase.end).unwrap_or(last)
    }
}

impl Phase {
    /// How long a worker takes at this time, and which share of its responses is 503.
    pub(crate) fn performance(&self, time: Duration) -> (Duration, f64) {
        match self.mood {
            Mood::Healthy | Mood::Refusing | Mood::Hanging => (BRISK, 0.0),
            Mood::Slow => (SLUGGISH, 0.0),
            Mood::Erring => (BRISK, 0.5),
            Mood::Recovering => {
                let length = self.end.saturating_sub(self.start);
                let left = self.end.saturating_sub(time).div_duration_f64(length);
                (BRISK.mul_f64(1.0 - left) + SLUGGISH.mul_f64(left), left / 3.0)
            }
        }
    }
}

impl fmt::Display for Mood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Healthy => "healthy",
            Self::Slow => "slow",
            Self::Erring => "half 503",
            Self::Refusing => "refusing",
            Self::Hanging => "hanging",
            Self::Recovering => "recovery",
        })
    }
}
