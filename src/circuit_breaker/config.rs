use std::sync::Arc;
use std::time::Duration;

use super::circuit::Circuit;
use super::settings::{Settings, SlowCalls, WindowKind};
use super::tracker::Tracker;
use crate::backoff::Backoff;
use crate::config::InvalidConfig;

/// Into how many buckets a time window is cut unless told otherwise: a call then counts for at least nine tenths
/// of the window.
const BUCKETS: usize = 10;

/// Builds a [`Circuit`]. Made by [`Circuit::builder`].
///
/// | setter | default |
/// |---|---|
/// | [`count_window`](Self::count_window) | 100 calls |
/// | [`failure_ratio`](Self::failure_ratio) | 0.5 |
/// | [`minimum_calls`](Self::minimum_calls) | 20, or a whole count window if that is smaller |
/// | [`minimum_span`](Self::minimum_span) | zero |
/// | [`slow_calls`](Self::slow_calls) | not judged |
/// | [`abandoned_after`](Self::abandoned_after) | cancelled calls are not failures |
/// | [`open_for`](Self::open_for) | 30 s, each time |
/// | [`probes`](Self::probes) | 5 |
/// | [`probe_timeout`](Self::probe_timeout) | 30 s |
/// | [`recover_over`](Self::recover_over) | everything is admitted at once |
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct CircuitBuilder {
    name: Arc<str>,
    settings: Settings,
}

impl CircuitBuilder {
    /// Uses the outcome of the last `calls` calls, from 1 to 65,536: right for steady traffic.
    pub fn count_window(mut self, calls: usize) -> Self {
        self.settings.window = WindowKind::Count(calls);
        self
    }

    /// Uses the outcome of the calls of the last `duration`, in ten buckets: right for traffic in bursts.
    pub fn time_window(self, duration: Duration) -> Self {
        self.time_window_with_buckets(duration, BUCKETS)
    }

    /// Uses the outcome of the calls of the last `duration`. They leave the window a bucket at a time: a call counts for
    /// at least `duration - duration / buckets` and at most `duration`. From 1 to 65,536 buckets.
    pub fn time_window_with_buckets(mut self, duration: Duration, buckets: usize) -> Self {
        self.settings.window = WindowKind::Time(duration, buckets);
        self
    }

    /// Opens when at least this share of the calls in the window failed. Above 0, at most 1.
    pub fn failure_ratio(mut self, ratio: f64) -> Self {
        self.settings.failure_ratio = ratio;
        self
    }

    /// How many calls have to be in the window before the circuit can open.
    pub fn minimum_calls(mut self, calls: usize) -> Self {
        self.settings.minimum_calls = Some(calls);
        self
    }

    /// How long the failures have to last before the circuit opens. Zero, the default, does not ask for any time.
    ///
    /// A burst of failures at one moment is not an outage: a pool whose idle connections were all closed at once fails as
    /// many requests as it had connections, and the next ones succeed. With a span, the circuit opens at a failure or a
    /// slow call at which the ratio has been reached for `span`: it was reached at an outcome at least that long ago, and
    /// at every outcome since. An outage is noticed later by that much. It does not apply to probes.
    pub fn minimum_span(mut self, span: Duration) -> Self {
        self.settings.minimum_span = span;
        self
    }

    /// Opens as well when at least `ratio` of the calls in the window took longer than `threshold`, without the time that
    /// windbreak's own layers made them wait.
    ///
    /// A call that is cancelled is recorded as slow if it already was. See [`abandoned_after`](Self::abandoned_after).
    pub fn slow_calls(mut self, threshold: Duration, ratio: f64) -> Self {
        self.settings.slow_calls = Some(SlowCalls { threshold, ratio });
        self
    }

    /// A call that is cancelled once it ran for at least this time has failed, without the time that windbreak's own layers
    /// made it wait.
    ///
    /// Set it where something *outside* the breaker cancels calls: a timeout for the whole request, a hedge, a caller that
    /// goes away. An upstream that hangs is otherwise invisible, unless slow calls are judged or a timeout stands inside
    /// the breaker.
    pub fn abandoned_after(mut self, duration: Duration) -> Self {
        self.settings.abandoned_after = Some(duration);
        self
    }

    /// How long it stays open: a `Duration`, or a [`Backoff`] that grows each time the probes fail, and starts over
    /// once the circuit has closed. Jitter draws at least half of each wait. A wait too long for the clock never ends by
    /// itself.
    pub fn open_for(mut self, wait: impl Into<Backoff>) -> Self {
        self.settings.open_for = wait.into();
        self
    }

    /// How many requests are admitted while half-open to find out whether the upstream is back. From 1 to 1,000.
    pub fn probes(mut self, probes: usize) -> Self {
        self.settings.probes = probes;
        self
    }

    /// A probe without a response within this time has failed; it was slow, too, if a call of this length is. The time
    /// counts from admission to the head of the response: with `until_body_end`, a probe whose body is still under way
    /// after this time is a success.
    ///
    /// The time that *cancelled* probes took adds up, and each full timeout of it is one failed probe: otherwise a shorter
    /// timeout outside the breaker could keep it half-open for ever. New settings forget what has not added up yet.
    ///
    /// That a probe has failed shows with the next request. It counts from when the time was over: if that request comes
    /// late, the open wait can be over too.
    pub fn probe_timeout(mut self, timeout: Duration) -> Self {
        self.settings.probe_timeout = Some(timeout);
        self
    }

    /// After half-open, admits a growing share of the requests for this time before it is closed: a tenth at first, all
    /// of them at the end, in between in proportion to the time. A busy upstream that is just back is not hit by
    /// everything at once.
    ///
    /// Chance decides about each request, from the circuit's own seed. A rejection has no `retry_after`: nobody can say
    /// when the next request passes. Results are recorded and judged as while closed, and can open the circuit again; its
    /// waits then go on growing.
    pub fn recover_over(mut self, duration: Duration) -> Self {
        self.settings.recover_over = Some(duration);
        self
    }

    /// How far a time window looks back; `None` for a count window.
    pub(crate) const fn window_duration(&self) -> Option<Duration> {
        match self.settings.window {
            WindowKind::Count(_) => None,
            WindowKind::Time(duration, _) => Some(duration),
        }
    }

    /// From when on a call is slow, if that is judged.
    pub(crate) fn slow_threshold(&self) -> Option<Duration> {
        self.settings.slow_calls.map(|slow| slow.threshold)
    }

    /// The probe timeout, if it was set.
    pub(crate) const fn probe_limit(&self) -> Option<Duration> {
        self.settings.probe_timeout
    }

    /// Has the default of `probe_timeout` hold for attempts that take as long as this. Of no effect for [`Duration::MAX`],
    /// and where it was set.
    pub(crate) fn probe_timeout_of_at_least(mut self, attempt: Duration) -> Self {
        if attempt != Duration::MAX {
            let longest = self.settings.probe_timeout().max(attempt);
            self.settings.probe_timeout.get_or_insert(longest);
        }
        self
    }

    /// The circuit, closed and with an empty window.
    ///
    /// # Errors
    ///
    /// If a window, a ratio, a number or a wait is zero (except `minimum_span`), a ratio is above 1 or not a number, a
    /// number is above its bound, `minimum_calls` is more than the count window can ever hold, or the backoff contradicts
    /// itself.
    pub fn build(self) -> Result<Circuit, InvalidConfig> {
        let tracker = self.check()?;
        Ok(Circuit::new(self.name, Arc::new(self.settings), tracker))
    }

    /// An empty tracker, if all numbers are within their bounds.
    fn check(&self) -> Result<Tracker, InvalidConfig> {
        let tracker = Tracker::new(self.settings.window).and_then(|tracker| self.settings.check().map(|()| tracker));
        tracker.map_err(|error| error.of(|| format!("circuit `{}`", self.name)))
    }
}

impl Circuit {
    /// Starts a circuit. The name goes into events and rejections: one name for each upstream.
    pub fn builder(name: impl Into<Arc<str>>) -> CircuitBuilder {
        CircuitBuilder { name: name.into(), settings: Settings::default() }
    }

    /// Changes settings while the circuit is in use. `change` is given a builder with the settings as they are, and may
    /// also return a new one; its name is not used.
    ///
    /// The circuit keeps its state. Calls in the window are kept as far as the new window has room: a smaller count window
    /// keeps its last calls; a time window whose duration or number of buckets changes, or a window of another kind,
    /// starts empty. A [`minimum_span`](CircuitBuilder::minimum_span) begins anew. A wait that is running is not changed; if
    /// `open_for` changes, the next wait is its first. New numbers apply from the next outcome on, and at once to probes
    /// that have ended. Of two changes at the same time the later one wins.
    ///
    /// ```
    /// # use windbreak::Circuit;
    /// let search = Circuit::builder("search").build()?;
    /// search.reconfigure(|settings| settings.failure_ratio(0.3).probes(2))?;
    /// assert!(search.reconfigure(|settings| settings.probes(0)).is_err());
    /// # Ok::<(), windbreak::InvalidConfig>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`CircuitBuilder::build`]; then nothing has changed.
    pub fn reconfigure(&self, change: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Result<(), InvalidConfig> {
        let settings = self.shared().locked(|machine, _| **machine.settings());
        let changed = change(CircuitBuilder { name: Arc::clone(&self.shared().name), settings });
        let tracker = changed.check()?;
        self.shared().reconfigure(changed.settings, tracker);
        Ok(())
    }
}
