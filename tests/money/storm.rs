//! Sends many orders at once, waits until everything that was late has arrived, and compares.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower::ServiceExt as _;

use super::books::Books;
use super::fault::Weather;
use super::gateway::{Gateway, Reply, about, order_of};
use super::provider::Provider;
use super::stacks::{Asks, Client, Failed};
use super::told::{Told, told, was_rejected};
use crate::support::http::{Server, dead_address, eventually};

/// More than there are places in a bulkhead.
const AT_ONCE: usize = 64;

/// Two storms at once would time out because of each other.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Three orders begin in this time at most: else all would have come and gone while a circuit was open once.
const PACE: Duration = Duration::from_millis(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Keyed,
    Unkeyed,
    Safe,
}

/// What came of a storm.
pub(super) struct Storm {
    pub(super) weather: Weather,
    pub(super) kind: Kind,
    pub(super) orders: usize,
    pub(super) took: Duration,
    pub(super) books: Books,
    pub(super) told: Vec<Told>,
    /// Orders of which a letter was kept, and whether it says that they must be verified.
    pub(super) letters: HashMap<usize, bool>,
    pub(super) kept: u64,
    pub(super) lost: u64,
    pub(super) unsettled: HashSet<usize>,
    /// Requests that ended with the total timeout.
    pub(super) cut_off: HashSet<usize>,
    /// Requests that a provider did not get because its circuit was open, or its bulkhead full.
    pub(super) met_open: usize,
    pub(super) met_full: usize,
}

impl Storm {
    pub(super) async fn run(kind: Kind, asks: Asks, providers: usize, orders: usize, seed: u64) -> Self {
        let _alone = ALONE.lock().await;
        let weather = Arc::new(Weather::new(seed));
        let books = Books::default();
        let dead = dead_address();
        let mut servers = Vec::new();
        for number in 0..providers {
            servers.push(Provider::serve(number, &books).await);
        }
        let gateways: Vec<_> =
            servers.iter().enumerate().map(|(at, server)| Gateway::new(at, server.address(), dead, &weather)).collect();
        let client = Client::new(&gateways, asks, orders);
        drop(gateways);

        let began = Instant::now();
        let mut storm = Self {
            weather: Weather::clone(&weather),
            kind,
            orders,
            took: Duration::ZERO,
            books,
            told: vec![Told::Unknown; orders],
            letters: HashMap::new(),
            kept: 0,
            lost: 0,
            unsettled: HashSet::new(),
            cut_off: HashSet::new(),
            met_open: 0,
            met_full: 0,
        };
        storm.send(client).await;
        settle(&servers, &storm.books).await;
        storm.took = began.elapsed();
        storm
    }

    async fn send(&mut self, mut client: Client) {
        let mut running = JoinSet::new();
        for order in 0..self.orders {
            if running.len() == AT_ONCE {
                self.note(running.join_next().await.expect("some are running").expect("no request panics"));
            }
            if order % 3 == 0 {
                sleep(PACE).await;
            }
            let (service, request) = (client.service.clone(), request(self.kind, order));
            running.spawn(async move {
                let result = service.oneshot(request).await;
                (order, result)
            });
        }
        while let Some(ended) = running.join_next().await {
            self.note(ended.expect("no request panics"));
        }
        (self.kept, self.lost) = (client.counts.kept(), client.counts.lost());
        while let Ok(letter) = client.letters.try_recv() {
            self.letters.insert(order_of(&letter.request), letter.must_be_verified());
        }
        self.unsettled.extend(client.unsettled.lock().expect("nobody panics with the lock held").iter());
    }

    fn note(&mut self, (order, result): (usize, Result<Reply, Failed>)) {
        self.told[order] = told(&result);
        self.met_open += usize::from(was_rejected(&result, "circuit_open"));
        self.met_full += usize::from(was_rejected(&result, "bulkhead_full"));
        if result.is_err_and(|error| error.is_timeout()) {
            self.cut_off.insert(order);
        }
    }
}

/// Until all that is late has arrived, and what was left in the sockets has been read.
async fn settle(servers: &[Server], books: &Books) {
    for server in servers {
        server.is_left_alone().await;
    }
    eventually("nothing is on its way", || books.are_settled()).await;
}

fn request(kind: Kind, order: usize) -> reqwest::Request {
    let mut request = match kind {
        Kind::Safe => return about(Method::GET, "rates", order),
        Kind::Keyed | Kind::Unkeyed => about(Method::POST, "orders", order),
    };
    *request.body_mut() = Some("amount=300".into());
    if kind == Kind::Keyed {
        let key = HeaderValue::from_str(&format!("\"order-{order}\"")).expect("it is text");
        request.headers_mut().insert("idempotency-key", key);
    }
    request
}
