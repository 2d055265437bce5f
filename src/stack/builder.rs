use std::sync::Arc;
use std::time::Duration;

use super::body::Plain;
#[cfg(feature = "http")]
use super::body::WithBody;
use super::layer::{Parts, Stack};
use super::numbers::Times;
use crate::backoff::Backoff;
use crate::bulkhead::{BulkheadLayer, QueueingBulkheadLayer};
use crate::circuit_breaker::{Circuit, CircuitBreakerLayer, CircuitBuilder};
use crate::config::InvalidConfig;
#[cfg(feature = "http")]
use crate::http::{Http, HttpRules};
use crate::retry::{RetryBudget, RetryLayer, RetryPolicy, RetryPolicyBuilder};
use crate::timeout::TimeoutLayer;

/// A bound on what piles up while nothing else bounds it, above what a client of one upstream has in flight when all is
/// well.
const IN_FLIGHT: usize = 4_096;

/// What retries may add to the load over ten seconds: a fifth, and as many as one pool of idle connections is likely to
/// hold. All of these can be found closed at the same moment, by a burst after a quiet time.
const RETRY_RATIO: f64 = 0.2;
const RETRY_FLOOR: u32 = 100;

/// An upstream without a good response for this long is down. Restarts and maintenance mostly take less.
const SPAN: Duration = Duration::from_millis(2_500);

/// Puts a [`Stack`] together. Made by [`Stack::new`] and `Stack::http`.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct StackBuilder<R, B = Plain> {
    name: Arc<str>,
    rules: R,
    body: B,
    times: Times,
    retry: RetryPolicyBuilder,
    circuit: Part<CircuitBuilder, Circuit>,
    bulkhead: Part<usize, QueueingBulkheadLayer>,
}

/// A part of the stack: to be built, given, or left out.
#[derive(Debug, Clone)]
enum Part<B, G> {
    Build(B),
    Given(G),
    Without,
}

impl<R> Stack<R> {
    /// Starts a stack for what is not HTTP, with the numbers of [the table](super). The name is that of the circuit;
    /// `rules` judge the results and say what may be repeated.
    #[allow(clippy::new_ret_no_self, reason = "a stack is built in steps, and this is the first")]
    pub fn new(name: impl Into<Arc<str>>, rules: R) -> StackBuilder<R> {
        StackBuilder::new(name.into(), rules, Plain)
    }
}

#[cfg(feature = "http")]
impl Stack<HttpRules> {
    /// Starts a stack for an HTTP client, with the numbers of [the table](super) and the rules of
    /// [`Http`](crate::http::Http). The name is that of the circuit.
    pub fn http(name: impl Into<Arc<str>>) -> StackBuilder<HttpRules, WithBody> {
        let rules = Http::builder();
        StackBuilder::new(name.into(), rules, WithBody { until_head: false })
    }
}

impl<R, B> StackBuilder<R, B> {
    pub(super) fn new(name: Arc<str>, rules: R, body: B) -> Self {
        let circuit = usual_circuit(&name);
        Self {
            name,
            rules,
            body,
            times: Times::default(),
            retry: RetryPolicy::builder().wait_for_circuit(true),
            circuit: Part::Build(circuit),
            bulkhead: Part::Build(IN_FLIGHT),
        }
    }

    /// Sets the rules of every layer: `Http::builder()`, or your own.
    pub fn rules<T>(self, rules: T) -> StackBuilder<T, B> {
        let Self { name, body, times, retry, circuit, bulkhead, .. } = self;
        StackBuilder { name, rules, body, times, retry, circuit, bulkhead }
    }

    /// Bounds the whole request: queueing, every attempt, every pause and, for HTTP, the body of the response. It does not
    /// bound what is outside the stack, nor the time until the client is ready (`poll_ready`).
    pub fn total_timeout(mut self, limit: Duration) -> Self {
        self.times.total = Some(limit);
        self
    }

    /// Leaves the total timeout out.
    pub fn without_total_timeout(self) -> Self {
        self.total_timeout(Duration::MAX)
    }

    /// Bounds one attempt, from its permit of the bulkhead to the head of the response. Set it wherever the total timeout is
    /// 10 s or less: one attempt may otherwise use up all of that, and one that hangs is never tried again.
    ///
    /// A first attempt that does not queue counts from the call of the stack. So copying the request for a retry, and keys
    /// for it, take from its time.
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.times.attempt = Some(limit);
        self
    }

    /// Leaves the attempt timeout out. A hung attempt then lasts until the total timeout, and the circuit learns of it only
    /// if `abandoned_after` or slow calls are judged.
    pub fn without_attempt_timeout(self) -> Self {
        self.attempt_timeout(Duration::MAX)
    }

    /// Tells the connect timeout of your client, so that it can be checked against the attempt timeout. It sets nothing.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.times.connect = Some(limit);
        self
    }

    /// Changes the retries.
    pub fn retry(mut self, change: impl FnOnce(RetryPolicyBuilder) -> RetryPolicyBuilder) -> Self {
        self.retry = change(self.retry);
        self
    }

    /// Leaves the retries out: every request is one attempt.
    pub fn without_retry(self) -> Self {
        self.retry(|retry| retry.max_attempts(1))
    }

    /// Pays for retries from `budget`, which other stacks for the same upstream may share.
    pub fn with_budget(self, budget: RetryBudget) -> Self {
        self.retry(|retry| retry.budget(budget))
    }

    /// Changes the circuit. After [`with_circuit`](Self::with_circuit) or [`without_circuit`](Self::without_circuit) it
    /// starts from the numbers of the table again: the last call decides.
    pub fn circuit(mut self, change: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Self {
        let circuit = match self.circuit {
            Part::Build(circuit) => circuit,
            Part::Given(_) | Part::Without => usual_circuit(&self.name),
        };
        self.circuit = Part::Build(change(circuit));
        self
    }

    /// Uses this circuit. Give the same one to several stacks for the same upstream, such as endpoints with timeouts of
    /// their own. Its numbers are its own: they are not those of the table, and are not checked against the timeouts.
    pub fn with_circuit(mut self, circuit: Circuit) -> Self {
        self.circuit = Part::Given(circuit);
        self
    }

    /// Leaves the circuit out.
    pub fn without_circuit(mut self) -> Self {
        self.circuit = Part::Without;
        self
    }

    /// Bounds the requests in flight to `limit`. A permit is held until the head of the response; bodies are bounded by the
    /// total timeout only. More wait in a queue, first come, first served, as long as the total
    /// timeout allows: a burst is not an error.
    pub fn bulkhead(mut self, limit: usize) -> Self {
        self.bulkhead = Part::Build(limit);
        self
    }

    /// Uses this bulkhead, with its own permits and its own queue.
    pub fn with_bulkhead(mut self, bulkhead: impl Into<QueueingBulkheadLayer>) -> Self {
        self.bulkhead = Part::Given(bulkhead.into());
        self
    }

    /// Leaves the bulkhead out.
    pub fn without_bulkhead(mut self) -> Self {
        self.bulkhead = Part::Without;
        self
    }

    /// The stack.
    ///
    /// # Errors
    ///
    /// If a part of it is not valid, or if numbers that you set contradict one another: more than one attempt and an attempt
    /// timeout that is not below the total timeout; an attempt timeout that is not above the connect timeout; slow calls
    /// that are slower than the attempt timeout; a time window shorter than two attempt timeouts; a probe timeout below the
    /// attempt timeout. The error names the stack, the field, the value and the bound.
    pub fn build(self) -> Result<Stack<R, B>, InvalidConfig>
    where
        R: Clone,
    {
        let name = Arc::clone(&self.name);
        self.build_parts().map_err(|error| error.of(|| format!("stack `{name}`")))
    }

    fn build_parts(self) -> Result<Stack<R, B>, InvalidConfig>
    where
        R: Clone,
    {
        let (slow, window, probe) = match &self.circuit {
            Part::Build(circuit) => (circuit.slow_threshold(), circuit.window_duration(), circuit.probe_limit()),
            _ => (None, None, None),
        };
        self.times.check(self.retry.attempts(), slow, window, probe)?;
        let (total, attempt) = self.times.resolve();
        let longest = if attempt == Duration::MAX { total } else { attempt };
        let has_circuit = !matches!(self.circuit, Part::Without);
        let circuit = match self.circuit {
            Part::Build(circuit) => circuit.probe_timeout_of_at_least(longest).build()?,
            Part::Given(circuit) => circuit,
            Part::Without => {
                let circuit = Circuit::builder(self.name).build()?;
                circuit.force_closed();
                circuit
            }
        };
        let has_bulkhead = !matches!(self.bulkhead, Part::Without);
        let bulkhead = match self.bulkhead {
            Part::Build(limit) => BulkheadLayer::new(limit)?.queue(),
            Part::Given(bulkhead) => bulkhead,
            Part::Without => BulkheadLayer::unlimited().into(),
        };
        let budget = RetryBudget::new(RETRY_RATIO, RETRY_FLOOR)?;
        let parts = Parts {
            total: TimeoutLayer::new(total).around_attempts(),
            retry: RetryLayer::new(self.retry.default_budget(budget).build()?, self.rules.clone()),
            breaker: CircuitBreakerLayer::new(circuit, self.rules),
            bulkhead,
            attempt: TimeoutLayer::new(attempt).for_an_attempt(),
            has_circuit,
            has_bulkhead,
        };
        Ok(Stack::of(parts, self.body))
    }
}

/// The circuit of [the table](super).
fn usual_circuit(name: &Arc<str>) -> CircuitBuilder {
    Circuit::builder(Arc::clone(name))
        .count_window(20)
        .failure_ratio(1.0)
        .minimum_span(SPAN)
        .probes(1)
        .open_for(Backoff::exponential(Duration::from_secs(1)).factor(1.125).max(Duration::from_secs(30)))
}

#[cfg(feature = "http")]
impl<R> StackBuilder<R, WithBody> {
    /// Ends a request with the head of its response: for server-sent events and other bodies that are meant to go on.
    pub fn until_head(mut self) -> Self {
        self.body.until_head = true;
        self
    }
}
