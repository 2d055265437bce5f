use std::time::Duration;

use tower_layer::Layer;

use super::{Drain, Http};
use crate::backoff::{Backoff, Jitter};
use crate::bulkhead::{Bulkhead, BulkheadLayer, Places};
use crate::circuit_breaker::{Circuit, CircuitBreaker, CircuitBreakerLayer, CircuitBuilder};
use crate::error::{InvalidConfig, check_positive};
use crate::retry::{Retry, RetryLayer, RetryPolicy, RetryPolicyBuilder};
use crate::timeout::{Timeout, TimeoutLayer};

/// A stack for an HTTP client in one call: total timeout, retry, circuit breaker, bulkhead and attempt timeout, all of
/// which take HTTP for what it is.
///
/// | what | number | setter |
/// |---|---|---|
/// | total timeout | 10 s | [`total_timeout`](StandardBuilder::total_timeout) |
/// | attempts | 3, as [`RetryPolicy::http`] has it, with its budget | [`retry`](StandardBuilder::retry) |
/// | circuit | opens at half of at least 20 calls in 30 s, or when 80 % took over 2 s; stays open 5 s, growing to 60 s; 3 probes | [`circuit`](StandardBuilder::circuit) |
/// | in flight | 64, no queue | [`max_in_flight`](StandardBuilder::max_in_flight) |
/// | attempt timeout | 3 s | [`attempt_timeout`](StandardBuilder::attempt_timeout) |
/// | rules | [`Http`], for retries and circuit alike | [`rules`](StandardBuilder::rules) |
/// | the client's connect timeout | 1 s; yours to set at the client | [`connect_timeout`](StandardBuilder::connect_timeout) |
///
/// The numbers are checked against one another. There is no fallback: what answers instead, only you can know; stack a
/// [`FallbackLayer`](crate::FallbackLayer) above. One stack for each callee; for many hosts behind one client see
/// `per_key`.
///
/// ```
/// use std::time::Duration;
/// use tower::{ServiceBuilder, service_fn};
/// use windbreak::Error;
/// use windbreak::http::Standard;
///
/// # fn main() -> Result<(), windbreak::InvalidConfig> {
/// let standard = Standard::builder("search")
///     .total_timeout(Duration::from_secs(5))
///     .attempt_timeout(Duration::from_secs(2))
///     .retry(|retry| retry.max_attempts(2))
///     .circuit(|circuit| circuit.probes(1))
///     .build()?;
/// let circuit = standard.circuit().clone();
///
/// let client = ServiceBuilder::new()
///     .layer(standard)
///     .map_err(Error::Service)
///     .service(service_fn(|_: http::Request<String>| async {
///         Ok::<_, std::io::Error>(http::Response::new(String::new()))
///     }));
/// # let _ = (tower::ServiceExt::oneshot(client, http::Request::default()), circuit);
///
/// let error = Standard::builder("search").attempt_timeout(Duration::from_secs(10)).build().unwrap_err();
/// assert_eq!(error.to_string(), "`attempt_timeout` is 10s; it must be below the total timeout of 10s, or there is no \
///     time for a second attempt");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Standard<H = Http> {
    total: TimeoutLayer,
    retry: RetryLayer<H, H, Drain>,
    breaker: CircuitBreakerLayer<H>,
    circuit: Circuit,
    bulkhead: BulkheadLayer,
    attempt: TimeoutLayer,
}

/// The service that [`Standard`] makes.
pub type StandardService<S, H = Http> = Timeout<Retry<CircuitBreaker<Bulkhead<Timeout<S>>, H>, H, H, Drain>>;

/// Puts a [`Standard`] stack together. Made by [`Standard::builder`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct StandardBuilder<H = Http> {
    rules: H,
    total_timeout: Duration,
    retry: RetryPolicyBuilder<Http, Http, Drain>,
    circuit: CircuitBuilder,
    max_in_flight: usize,
    attempt_timeout: Duration,
    connect_timeout: Duration,
}

impl Standard {
    /// Starts with the numbers of the table. The name is that of the circuit.
    pub fn builder(name: &str) -> StandardBuilder {
        let open_for = Backoff::exponential(Duration::from_secs(5)).max(Duration::from_secs(60)).jitter(Jitter::Equal);
        StandardBuilder {
            rules: Http,
            total_timeout: Duration::from_secs(10),
            retry: RetryPolicy::http(),
            circuit: Circuit::builder(name)
                .time_window(Duration::from_secs(30))
                .slow_calls(Duration::from_secs(2), 0.8)
                .open_for(open_for)
                .probes(3),
            max_in_flight: 64,
            attempt_timeout: Duration::from_secs(3),
            connect_timeout: Duration::from_secs(1),
        }
    }
}

impl<H> Standard<H> {
    /// The circuit.
    #[must_use]
    pub fn circuit(&self) -> &Circuit {
        &self.circuit
    }

    /// The places of the bulkhead.
    #[must_use]
    pub fn places(&self) -> Places {
        self.bulkhead.places()
    }
}

impl<H: Clone> StandardBuilder<H> {
    /// Judges and repeats by `rules` of your own: [`Http::builder`], or what else is both a classifier and a replay.
    pub fn rules<T: Clone>(self, rules: T) -> StandardBuilder<T> {
        let Self { total_timeout, retry, circuit, max_in_flight, attempt_timeout, connect_timeout, .. } = self;
        StandardBuilder { rules, total_timeout, retry, circuit, max_in_flight, attempt_timeout, connect_timeout }
    }

    /// Bounds the whole request: every attempt and every pause.
    pub fn total_timeout(self, limit: Duration) -> Self {
        Self { total_timeout: limit, ..self }
    }

    /// Changes the retries, which go by the [rules](Self::rules).
    pub fn retry(
        self,
        change: impl FnOnce(RetryPolicyBuilder<Http, Http, Drain>) -> RetryPolicyBuilder<Http, Http, Drain>,
    ) -> Self {
        Self { retry: change(self.retry), ..self }
    }

    /// Changes the circuit.
    pub fn circuit(self, change: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Self {
        Self { circuit: change(self.circuit), ..self }
    }

    /// Bounds the requests in flight.
    pub fn max_in_flight(self, limit: usize) -> Self {
        Self { max_in_flight: limit, ..self }
    }

    /// Bounds one attempt. `Duration::MAX` is no bound, and goes only with a single attempt.
    pub fn attempt_timeout(self, limit: Duration) -> Self {
        Self { attempt_timeout: limit, ..self }
    }

    /// Says what the connect timeout of your client is, to be checked against the attempt timeout.
    pub fn connect_timeout(self, limit: Duration) -> Self {
        Self { connect_timeout: limit, ..self }
    }

    /// The stack.
    ///
    /// # Errors
    ///
    /// If a part of it is not valid, or if the parts contradict one another: more than one attempt and no attempt
    /// timeout, or one that is not below the total timeout; an attempt timeout that is not above the connect timeout;
    /// a time window shorter than two attempt timeouts, which would forget calls before they have ended.
    pub fn build(self) -> Result<Standard<H>, InvalidConfig> {
        let Self { rules, total_timeout, attempt_timeout, connect_timeout, .. } = self;
        check_positive("total_timeout", total_timeout)?;
        check_positive("attempt_timeout", attempt_timeout)?;
        let invalid = |field, value: Duration, bound: String| Err(InvalidConfig::new(field, value, bound));
        if self.retry.attempts() > 1 {
            if attempt_timeout == Duration::MAX {
                let bound = "a bound where there is more than one attempt, or the first may use up all the time";
                return invalid("attempt_timeout", attempt_timeout, bound.to_owned());
            }
            if attempt_timeout >= total_timeout {
                let bound =
                    format!("below the total timeout of {total_timeout:?}, or there is no time for a second attempt");
                return invalid("attempt_timeout", attempt_timeout, bound);
            }
        }
        if attempt_timeout <= connect_timeout {
            let bound = format!("above the connect timeout of {connect_timeout:?}, which it would otherwise hide");
            return invalid("attempt_timeout", attempt_timeout, bound);
        }
        if let Some(window) = self.circuit.window_duration() {
            let least = attempt_timeout.min(total_timeout).saturating_mul(2);
            if window < least {
                let bound = format!("at least {least:?}, twice what an attempt may take");
                return invalid("time_window", window, bound);
            }
        }
        let circuit = self.circuit.build()?;
        Ok(Standard {
            total: TimeoutLayer::new(total_timeout),
            retry: RetryLayer::new(self.retry.classify(rules.clone()).replay(rules.clone()).build()?),
            breaker: CircuitBreakerLayer::new(circuit.clone()).classify(rules),
            circuit,
            bulkhead: BulkheadLayer::new(self.max_in_flight)?,
            attempt: TimeoutLayer::new(attempt_timeout),
        })
    }
}

impl<S: Clone, H: Clone> Layer<S> for Standard<H> {
    type Service = StandardService<S, H>;

    fn layer(&self, client: S) -> Self::Service {
        let attempt = self.bulkhead.layer(self.attempt.layer(client));
        self.total.layer(self.retry.layer(self.breaker.layer(attempt)))
    }
}
