//! A provider at work: takes requests, meets them with their fates, and calls back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::sleep;

use super::api::{Ask, Tell, callback, parse, render};
use super::books::{Books, Payment, Standing};
use super::calls::Calls;
use super::fate::{Fate, Weather};
use crate::domain::Provider;
use crate::gauge::HEADER;

/// The connection ends without a response.
#[derive(Debug)]
pub struct Broken;

/// Whether a provider can be reached at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    Up,
    /// Connections are refused.
    Dead,
    /// Connections are accepted, and nothing comes back.
    Silent,
    /// Everything is answered with a 500, and nothing is done.
    Failing,
}

/// A message from a provider to the order service.
#[derive(Debug, Clone)]
pub struct CallBack {
    pub from: Provider,
    pub body: Bytes,
}

/// Longer than any client waits.
const FOR_EVER: Duration = Duration::from_secs(60);

/// What it takes to work on a request at all.
const WORK: Duration = Duration::from_millis(2);

#[derive(Debug)]
pub struct Upstream {
    pub provider: Provider,
    seed: u64,
    inside: Mutex<Inside>,
    calls: UnboundedSender<CallBack>,
}

#[derive(Debug)]
struct Inside {
    books: Books,
    weather: Weather,
    condition: Condition,
    calls: Calls,
    /// How often each key came, to be charged and to be asked of.
    seen: HashMap<String, (u32, u32)>,
}

impl Upstream {
    pub fn new(provider: Provider, seed: u64, weather: Weather, calls: UnboundedSender<CallBack>) -> Arc<Self> {
        let inside = Inside {
            books: Books::default(),
            weather,
            condition: Condition::Up,
            calls: Calls::default(),
            seen: HashMap::new(),
        };
        // The two providers of one run do not fail alike.
        let seed = seed.wrapping_mul(2).wrapping_add(u64::from(provider == Provider::Beta));
        Arc::new(Self { provider, seed, inside: Mutex::new(inside), calls })
    }

    pub fn books(&self) -> Books {
        self.inside().books.clone()
    }

    pub fn calls(&self) -> Calls {
        self.inside().calls
    }

    pub fn condition(&self) -> Condition {
        self.inside().condition
    }

    pub fn set_condition(&self, condition: Condition) {
        self.inside().condition = condition;
    }

    /// Payments that have not ended: they would be charged after the audit.
    pub fn unfinished(&self) -> usize {
        let is_open = |payment: &Payment| matches!(payment.standing, Standing::Processing(_));
        self.inside().books.all().filter(|(_, payment)| is_open(payment)).count()
    }

    pub fn set_weather(&self, weather: Weather) {
        self.inside().weather = weather;
    }

    /// One request over a connection that stands.
    pub async fn serve(self: Arc<Self>, request: Request<Bytes>) -> Result<Response<Bytes>, Broken> {
        let held = request.headers().get(HEADER).and_then(|held| held.to_str().ok());
        self.inside().calls.count(held);
        match self.condition() {
            Condition::Up => {}
            Condition::Dead => return Err(Broken),
            Condition::Silent => {
                sleep(FOR_EVER).await;
                return Err(Broken);
            }
            Condition::Failing => return Ok(render(self.provider, &Tell::Failed)),
        }
        sleep(WORK).await;
        match parse(self.provider, &request) {
            Ask::Charge { key, cents } => self.charge(&key, cents).await,
            Ask::Find { key } => self.ask(&key, false).await,
            Ask::Void { key } => self.ask(&key, true).await,
            Ask::List => {
                let books = self.books();
                let payments = books.all().map(|(key, payment)| (key.to_owned(), payment.clone())).collect();
                Ok(render(self.provider, &Tell::List(payments)))
            }
            Ask::Nonsense(why) => Ok(render(self.provider, &Tell::Nonsense(why))),
        }
    }

    async fn charge(self: &Arc<Self>, key: &str, cents: u64) -> Result<Response<Bytes>, Broken> {
        let fate = {
            let mut inside = self.inside();
            let seen = inside.seen.entry(key.to_owned()).or_default();
            seen.0 += 1;
            let nth = seen.0;
            inside.weather.fate(self.seed, key, nth)
        };
        match fate {
            Fate::Well => Ok(self.arrive(key, cents, Standing::Charged)),
            Fate::Declined => Ok(self.arrive(key, cents, Standing::Declined)),
            Fate::Busy => Ok(render(self.provider, &Tell::Busy)),
            Fate::Failed => Ok(render(self.provider, &Tell::Failed)),
            Fate::RequestLost => Err(Broken),
            Fate::Slow(wait) => {
                let response = self.arrive(key, cents, Standing::Charged);
                sleep(wait).await;
                Ok(response)
            }
            Fate::FailedAfterwards => {
                self.arrive(key, cents, Standing::Charged);
                Ok(render(self.provider, &Tell::Failed))
            }
            Fate::AnswerLost => {
                self.arrive(key, cents, Standing::Charged);
                Err(Broken)
            }
            Fate::Hangs => {
                self.arrive(key, cents, Standing::Charged);
                sleep(FOR_EVER).await;
                Err(Broken)
            }
            Fate::ArrivesLate(after) => {
                let key = key.to_owned();
                self.later(after, move |this| {
                    this.arrive(&key, cents, Standing::Charged);
                    this.call_back(&key);
                });
                Err(Broken)
            }
            Fate::Processing(after, outcome) => {
                let response = self.arrive(key, cents, Standing::Processing(outcome));
                let key = key.to_owned();
                self.later(after, move |this| {
                    if this.inside().books.end(&key).is_some() {
                        this.call_back(&key);
                    }
                });
                Ok(response)
            }
            Fate::CalledBackTwice => {
                let response = self.arrive(key, cents, Standing::Charged);
                self.call_back(key);
                let key = key.to_owned();
                self.later(Duration::from_millis(300), move |this| this.call_back(&key));
                Ok(response)
            }
            Fate::CalledBackFirst(wait) => {
                let response = self.arrive(key, cents, Standing::Charged);
                self.call_back(key);
                sleep(wait).await;
                Ok(response)
            }
            Fate::Unreadable => {
                self.arrive(key, cents, Standing::Charged);
                Ok(render(self.provider, &Tell::Unreadable))
            }
        }
    }

    /// A question, or a void.
    async fn ask(self: &Arc<Self>, key: &str, is_void: bool) -> Result<Response<Bytes>, Broken> {
        let (wait, fault) = {
            let mut inside = self.inside();
            let seen = inside.seen.entry(key.to_owned()).or_default();
            seen.1 += 1;
            let nth = seen.1;
            inside.weather.question(self.seed, key, nth)
        };
        sleep(wait).await;
        let mut inside = self.inside();
        if is_void && fault != Some(false) {
            inside.books.void(key);
        }
        match fault {
            Some(true) => return Err(Broken),
            Some(false) => return Ok(render(self.provider, &Tell::Failed)),
            None => {}
        }
        Ok(match inside.books.find(key) {
            _ if is_void => render(self.provider, &Tell::Voided(key)),
            Some(payment) => render(self.provider, &Tell::Payment(key, payment)),
            None => render(self.provider, &Tell::NotFound),
        })
    }

    /// What a repeat gets depends on how the payment stands, whatever its own fate would have been.
    fn arrive(&self, key: &str, cents: u64, standing: Standing) -> Response<Bytes> {
        let mut inside = self.inside();
        let payment = inside.books.arrive(key, cents, standing);
        render(self.provider, &Tell::Payment(key, payment))
    }

    fn call_back(&self, key: &str) {
        let body = {
            let inside = self.inside();
            let Some(payment) = inside.books.find(key) else { return };
            callback(self.provider, key, payment)
        };
        // Once nobody delivers callbacks any more, the run is over.
        let _ = self.calls.send(CallBack { from: self.provider, body });
    }

    fn later(self: &Arc<Self>, after: Duration, what: impl FnOnce(&Arc<Self>) + Send + 'static) {
        let this = Arc::clone(self);
        tokio::spawn(async move {
            sleep(after).await;
            what(&this);
        });
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
