use std::sync::Arc;
use std::time::Duration;

use tower::util::BoxCloneService;
use tower::{ServiceBuilder, ServiceExt as _, service_fn};
use windbreak::bulkhead::Semaphore;
use windbreak::dead_letter::{DeadLetter, DeadLetterCounts, DeadLetters, Sink};
use windbreak::failover::FailoverHandle;
use windbreak::rate_limit::Rate;
use windbreak::timeout::Timeout;
use windbreak::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, DeadLetterLayer, Error, Failover, InvalidConfig, RateLimitLayer,
    RetryLayer, RetryPolicy, ServiceErrorLayer, TimeoutLayer, Verified, VerifyLayer,
};

use super::api::Found;
use super::charge::{Answer, Charge, PayError};
use super::client::Client;
use super::rules::PayRules;
use super::sending::Sending;
use super::wire::Wire;
use crate::domain::{News, Provider};
use crate::storage::{Journal, Storage};

/// The numbers of the stack. Those of a real shop are longer: total 30 s, attempt 10 s, sweep after five minutes.
#[derive(Debug, Clone, Copy)]
pub struct Numbers {
    pub total: Duration,
    pub attempt: Duration,
    pub attempts: u32,
    /// How long a question or a void may take.
    pub question: Duration,
    /// How long to wait before the first question.
    pub ask_after: Duration,
    /// Requests per second at one provider.
    pub rate: u64,
    pub in_flight: usize,
    /// After how long the sweep looks at an order.
    pub sweep_after: Duration,
}

impl Default for Numbers {
    fn default() -> Self {
        Self {
            total: Duration::from_secs(5),
            attempt: Duration::from_secs(1),
            attempts: 3,
            question: Duration::from_millis(500),
            ask_after: Duration::from_millis(100),
            rate: 1_000,
            in_flight: 256,
            sweep_after: Duration::from_secs(3),
        }
    }
}

type Card<S> = DeadLetters<Timeout<Failover<PayRules, Charge, Answer, Error<PayError>>>, PayRules, Table<S>>;

/// What the order service pays through. Clones share everything.
#[derive(Debug, Clone)]
pub struct Gateway<W, S> {
    card: Card<S>,
    steer: FailoverHandle,
    letters: DeadLetterCounts,
    sides: Arc<[Side<W>; 2]>,
}

/// One provider: the client to ask it, and what its stack can be read by.
#[derive(Debug, Clone)]
pub struct Side<W> {
    pub client: Client<W>,
    pub circuit: Circuit,
    pub permits: Semaphore,
}

impl<W: Wire, S: Storage> Gateway<W, S> {
    pub fn build(clients: [Client<W>; 2], journal: &Journal<S>, numbers: &Numbers) -> Result<Self, InvalidConfig> {
        let mut failover = Failover::new("card", PayRules);
        let mut sides = Vec::new();
        for client in clients {
            let (side, stack) = stack(client, journal, numbers)?;
            failover = failover.to(side.client.provider().as_str(), stack);
            sides.push(side);
        }
        let failover = failover.build()?;
        let steer = failover.handle();
        let letters = DeadLetterLayer::new(PayRules, Table(journal.storage().clone()));
        let card = ServiceBuilder::new().layer(&letters).layer(TimeoutLayer::new(numbers.total)).service(failover);
        let sides = Arc::new(sides.try_into().unwrap_or_else(|_| unreachable!("there are two clients")));
        Ok(Self { card, steer, letters: letters.counts(), sides })
    }

    /// Charges: at most once, at one of the providers.
    pub async fn charge(&self, charge: Charge) -> Result<Answer, Error<PayError>> {
        self.card.clone().oneshot(charge).await
    }

    pub const fn steer(&self) -> &FailoverHandle {
        &self.steer
    }

    pub const fn letters(&self) -> &DeadLetterCounts {
        &self.letters
    }

    pub fn sides(&self) -> &[Side<W>; 2] {
        &self.sides
    }

    pub fn client(&self, provider: Provider) -> &Client<W> {
        let [first, second] = &*self.sides;
        if first.client.provider() == provider { &first.client } else { &second.client }
    }
}

type Stack = BoxCloneService<Charge, Answer, Error<PayError>>;

/// One provider, from the note that the order goes there to the client.
fn stack<W: Wire, S: Storage>(
    client: Client<W>,
    journal: &Journal<S>,
    numbers: &Numbers,
) -> Result<(Side<W>, Stack), InvalidConfig> {
    let at = client.provider();
    let circuit = Circuit::builder(at.as_str())
        .count_window(20)
        .failure_ratio(0.6)
        .minimum_span(Duration::from_millis(500))
        .open_for(Duration::from_millis(500))
        .probe_timeout(numbers.attempt.saturating_mul(2))
        .build()?;
    let bulkhead = BulkheadLayer::new(numbers.in_flight)?.max_wait(numbers.attempt);
    let permits = bulkhead.semaphore().clone();
    let retry = RetryPolicy::builder().max_attempts(numbers.attempts).build()?;
    let charging = client.clone();
    let stack = ServiceBuilder::new()
        .layer(RetryLayer::new(retry, PayRules))
        .layer(verify(&client, journal, numbers))
        .layer(CircuitBreakerLayer::new(circuit.clone(), PayRules))
        .layer(
            RateLimitLayer::new(Rate::per_second(numbers.rate).burst(50)?).max_wait(numbers.attempt).max_queue(1_000),
        )
        .layer(bulkhead)
        .layer(TimeoutLayer::new(numbers.attempt))
        .layer(ServiceErrorLayer)
        .service(service_fn(move |charge| {
            let client = charging.clone();
            async move { client.charge(charge).await }
        }));
    let stack = BoxCloneService::new(Sending { inner: BoxCloneService::new(stack), to: at, journal: journal.clone() });
    Ok((Side { client, circuit, permits }, stack))
}

/// Asks by our own key what became of a charge. What is not found may still arrive, so it is voided; that is written down
/// first, so that nobody calls it paid in the meantime.
fn verify<W: Wire, S: Storage>(
    client: &Client<W>,
    journal: &Journal<S>,
    numbers: &Numbers,
) -> VerifyLayer<PayRules, Charge, Answer> {
    let at = client.provider();
    let asking = client.clone();
    let (voiding, journal) = (client.clone(), journal.clone());
    VerifyLayer::new(PayRules, move |charge: Charge, _| {
        let client = asking.clone();
        async move {
            Ok::<_, PayError>(match client.find(&charge.key).await? {
                Found::Charged { cents, receipt } if cents == charge.cents => {
                    Verified::Applied(Answer::Charged { at, cents, receipt })
                }
                Found::Declined => Verified::Applied(Answer::Declined { at }),
                Found::Processing => Verified::Applied(Answer::Processing { at }),
                Found::Closed => Verified::NotApplied,
                // It may still arrive; and another amount is not what was ordered.
                Found::NotFound | Found::Charged { .. } => Verified::Unknown,
            })
        }
    })
    .after(numbers.ask_after)
    .timeout(numbers.question)
    .or_void(move |charge: Charge| {
        let (client, journal) = (voiding.clone(), journal.clone());
        async move {
            let told = journal.tell(&charge.key, &News::Voiding(at), "service").await;
            match told {
                Ok(told) if told.stands() => client.void(&charge.key).await,
                Ok(_) => Err(PayError::overtaken("overtaken")),
                Err(_) => Err(PayError::overtaken("not written down")),
            }
        }
    })
}

/// The table of dead letters.
#[derive(Debug, Clone)]
pub struct Table<S>(S);

impl<S: Storage> Sink<Charge> for Table<S> {
    async fn put(&self, letter: DeadLetter<Charge>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let key = letter.request.key.to_string();
        Ok(self.0.keep_letter(&key, &letter.error_type, letter.must_be_verified()).await?)
    }
}
