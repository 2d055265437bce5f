//! Who asks, and when.

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::SmallRng;

/// How requests come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Load {
    /// One after another, evenly.
    Constant { rate: u32 },
    /// Each by itself: the times between them are drawn from an exponential distribution.
    Poisson { rate: u32 },
    /// So many at one moment, as often as the rate says; the first after one period.
    Bursts { rate: u32, of: u32 },
    /// Closed loops: each client sends its next request a pause after it has the response to the last one.
    Loops { clients: u32, pause: Duration },
}

impl Load {
    /// When the requests of an open loop come, up to `length`. Closed loops have no such times.
    pub(crate) fn arrivals(self, length: Duration, rng: &mut SmallRng) -> Vec<Duration> {
        let end = length.as_secs_f64();
        let mut at = 0.0;
        let mut arrivals = Vec::new();
        match self {
            Self::Constant { rate } => {
                let count = (end * f64::from(rate)).floor();
                while at < count {
                    arrivals.push(at / f64::from(rate));
                    at += 1.0;
                }
            }
            Self::Poisson { rate } => loop {
                at -= (1.0 - rng.random::<f64>()).ln() / f64::from(rate);
                if at >= end {
                    break;
                }
                arrivals.push(at);
            },
            Self::Bursts { rate, of } => {
                let period = f64::from(of) / f64::from(rate);
                at = period;
                while at < end {
                    arrivals.extend((0..of).map(|_| at));
                    at += period;
                }
            }
            Self::Loops { .. } => {}
        }
        arrivals.into_iter().map(Duration::from_secs_f64).collect()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    fn arrivals(load: Load, seconds: u64) -> Vec<Duration> {
        load.arrivals(Duration::from_secs(seconds), &mut SmallRng::seed_from_u64(7))
    }

    #[test]
    fn each_kind_keeps_its_rate() {
        assert_eq!(arrivals(Load::Constant { rate: 10 }, 20).len(), 200);
        assert_eq!(arrivals(Load::Bursts { rate: 10, of: 50 }, 21).len(), 200);
        let poisson = arrivals(Load::Poisson { rate: 100 }, 100).len();
        assert!((9_700..10_300).contains(&poisson), "{poisson}");
    }

    #[test]
    fn arrivals_are_in_order() {
        for load in [Load::Constant { rate: 7 }, Load::Poisson { rate: 7 }, Load::Bursts { rate: 7, of: 3 }] {
            assert!(arrivals(load, 30).is_sorted(), "{load:?}");
        }
    }
}
