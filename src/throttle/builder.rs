use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::SmallRng;

use super::core::{Core, Numbers};
use super::handle::Throttle;
use crate::config::{InvalidConfig, check_ratio};
use crate::window::TimeWindow;

/// Puts a [`Throttle`] together. Made by [`Throttle::builder`].
///
/// | setter | default |
/// |---|---|
/// | [`window`](Self::window) | 10 s |
/// | [`k`](Self::k) | 2 |
/// | [`max_reject_ratio`](Self::max_reject_ratio) | 0.9 |
/// | [`minimum_calls`](Self::minimum_calls) | 20 |
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct ThrottleBuilder {
    name: Arc<str>,
    window: Duration,
    numbers: Numbers,
    seed: Option<u64>,
}

impl Throttle {
    /// Starts a throttle. The name goes into its rejections.
    pub fn builder(name: impl Into<Arc<str>>) -> ThrottleBuilder {
        ThrottleBuilder::new(name.into())
    }
}

impl ThrottleBuilder {
    const fn new(name: Arc<str>) -> Self {
        Self {
            name,
            window: Duration::from_secs(10),
            // Below 20, chance alone makes more than half of the requests fail too often.
            numbers: Numbers { k: 2.0, max_reject_ratio: 0.9, minimum_calls: 20 },
            seed: None,
        }
    }

    /// How far it looks back, in ten buckets. Default: 10 s.
    pub fn window(self, window: Duration) -> Self {
        Self { window, ..self }
    }

    /// How many requests are sent for each that the upstream accepts. Above 1; the smaller, the more is rejected here, and
    /// the later it notices that the upstream accepts more again.
    pub fn k(mut self, k: f64) -> Self {
        self.numbers.k = k;
        self
    }

    /// The largest share of requests that is rejected. Above 0 and below 1, so that some always probe.
    pub fn max_reject_ratio(mut self, ratio: f64) -> Self {
        self.numbers.max_reject_ratio = ratio;
        self
    }

    /// Rejects nothing before this many requests are in the window.
    pub fn minimum_calls(mut self, calls: u64) -> Self {
        self.numbers.minimum_calls = calls;
        self
    }

    /// Draws from this seed, so that a test sees the same rejections each time.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed: Some(seed), ..self }
    }

    /// The throttle.
    ///
    /// # Errors
    ///
    /// If the window is shorter than 10 ns, `k` is not finite or not above 1, or the ratio is not above 0 and below 1.
    pub fn build(self) -> Result<Throttle, InvalidConfig> {
        let name = Arc::clone(&self.name);
        self.checked().map_err(|error| error.of(|| format!("throttle `{name}`")))
    }

    fn checked(self) -> Result<Throttle, InvalidConfig> {
        let Numbers { k, max_reject_ratio, .. } = self.numbers;
        let window = TimeWindow::last(self.window, 10)?;
        if !(k > 1.0 && k.is_finite()) {
            return Err(InvalidConfig::new("k", k, "finite and above 1"));
        }
        check_ratio("max_reject_ratio", max_reject_ratio)?;
        if max_reject_ratio >= 1.0 {
            return Err(InvalidConfig::new(
                "max_reject_ratio",
                max_reject_ratio,
                "below 1, so that some requests probe",
            ));
        }
        let rng = self.seed.map_or_else(rand::make_rng, SmallRng::seed_from_u64);
        Ok(Throttle::new(self.name, Core::new(window, self.numbers), rng))
    }
}
