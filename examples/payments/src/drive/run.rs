use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::child::Child;
use super::counter::HttpCounter;
use super::progress::progress;
use super::weather::outages;
use super::world::World;
use crate::audit::{Facts, Report, audit};
use crate::clients::{CUSTOMERS, Promises, client, order, quota};
use crate::net;
use crate::provider::{Condition, Weather};
use crate::storage::Storage;

/// What is to be driven.
#[derive(Debug, Clone)]
pub struct Drive {
    pub orders: u32,
    pub seed: u64,
    pub kills: u32,
    /// Orders a second.
    pub rate: u32,
    pub is_naive: bool,
    /// Whether it waits for Ctrl-C before the audit.
    pub stays: bool,
    /// What `--database` of the order service takes.
    pub database: String,
}

/// What came of it.
#[derive(Debug)]
pub struct Driven {
    pub report: Report,
    pub facts: Facts,
    pub kills: u32,
    pub repeats: u64,
    pub reversals: u32,
    pub took: Duration,
    pub replayed: String,
    pub reconciled: String,
    pub callbacks: Vec<(String, usize)>,
    /// How many requests were answered with each status.
    pub statuses: BTreeMap<u16, u32>,
    /// Of the orders that something was found about.
    pub histories: Vec<(String, Vec<String>)>,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How long what is left may take, once all is well.
const DRAIN: Duration = Duration::from_secs(90);

/// Drives orders through everything, and audits.
pub async fn drive<S: Storage>(storage: S, plan: &Drive) -> Result<Driven, BoxError> {
    let begin = Instant::now();
    let mut rng = SmallRng::seed_from_u64(plan.seed);
    let address = net::listener().await?.local_addr()?;
    let service_url = format!("http://{address}");
    let world = World::start(plan.seed, Weather::ROUGH, service_url.clone()).await?;
    for customer in 0..CUSTOMERS {
        storage.set_quota(&format!("c{customer}"), quota(plan.orders)).await?;
    }
    let mut child = Child::start(&world, address, &plan.database, plan.is_naive).await?;
    println!(
        "orders at {service_url}, the page too; alpha at {}, beta at {}",
        world.provider_urls[0], world.provider_urls[1]
    );

    let drawing = tokio::spawn(progress(storage.clone(), plan.orders));
    let outages = tokio::spawn(outages(world.providers.clone(), rng.random()));
    let promises = Promises::default();
    let counter = HttpCounter { client: reqwest::Client::builder().no_proxy().build()?, service: service_url.clone() };
    let rush = Duration::from_secs(u64::from(plan.orders)) / plan.rate.max(1);
    let mut clients = JoinSet::new();
    for index in 0..plan.orders {
        let new = order(index, &mut rng);
        let begin = rush.mul_f64(rng.random());
        let client = client(counter.clone(), new, rng.random(), promises.clone());
        clients.spawn(async move {
            sleep(begin).await;
            client.await;
        });
    }
    let mut kills = 0;
    while kills < plan.kills {
        let part = rush / (plan.kills + 1);
        sleep(part.mul_f64(rng.random_range(0.6..1.2))).await;
        child.kill().await?;
        kills += 1;
        sleep(Duration::from_millis(rng.random_range(50..500))).await;
        child = Child::start(&world, address, &plan.database, plan.is_naive).await?;
    }
    while clients.join_next().await.is_some() {}
    outages.abort();
    let _ = outages.await;
    for provider in &world.providers {
        provider.set_condition(Condition::Up);
    }
    let (mut replayed, mut reconciled) = (String::new(), String::new());
    if plan.is_naive {
        sleep(Duration::from_secs(5)).await;
    } else {
        drain(&storage, &world).await?;
        // An operator replays once the providers are well again.
        for provider in &world.providers {
            provider.set_weather(Weather::CALM);
        }
        replayed = command(&counter, "replay").await?;
        drain(&storage, &world).await?;
        reconciled = command(&counter, "reconcile").await?;
    }
    drawing.abort();
    let _ = drawing.await;
    println!();
    if plan.stays {
        println!("all is quiet. The service stays until Ctrl-C: {service_url}");
        tokio::signal::ctrl_c().await?;
        // Ctrl-C of a terminal ends the service too. What was ordered last is still to be delivered.
        child.kill().await?;
        child = Child::start(&world, address, &plan.database, plan.is_naive).await?;
        drain(&storage, &world).await?;
    }
    child.kill().await?;
    let driven = finish(storage, &world, &promises).await?;
    Ok(Driven { kills, took: begin.elapsed(), replayed, reconciled, ..driven })
}

async fn command(counter: &HttpCounter, name: &str) -> Result<String, BoxError> {
    let response = counter.client.post(format!("{}/admin/{name}", counter.service)).send().await?;
    let (status, body) = (response.status(), response.text().await?);
    if status.is_success() { Ok(body) } else { Err(format!("{name}: {status}: {body}").into()) }
}

/// Waits until nothing is left to do.
async fn drain<S: Storage>(storage: &S, world: &World) -> Result<(), BoxError> {
    let begin = Instant::now();
    while begin.elapsed() < DRAIN {
        sleep(Duration::from_millis(250)).await;
        let unfinished: usize = world.providers.iter().map(|provider| provider.unfinished()).sum();
        if unfinished == 0 && !Facts::is_waiting(storage).await? {
            return Ok(());
        }
    }
    // The audit says what is left.
    Ok(())
}

async fn finish<S: Storage>(storage: S, world: &World, promises: &Promises) -> Result<Driven, BoxError> {
    let books: Vec<_> = world.providers.iter().map(|provider| (provider.provider, provider.books())).collect();
    let reversals = books.iter().flat_map(|(_, books)| books.all()).map(|(_, payment)| payment.reversals).sum();
    let calls = world.providers.iter().map(|provider| provider.calls()).sum();
    let facts = Facts::read(&storage).await?.with_receiver(&world.receiver);
    let facts = Facts { books, calls, promises: promises.all(), ..facts };
    let report = audit(&facts);
    let mut histories = Vec::new();
    for order in report.orders().into_iter().take(5) {
        histories.push((order.to_owned(), storage.history(order).await?));
    }
    let mut callbacks: Vec<(String, usize)> = Vec::new();
    for recorded in storage.recorded().await? {
        match callbacks.iter_mut().find(|(end, _)| *end == recorded.end) {
            Some((_, count)) => *count += 1,
            None => callbacks.push((recorded.end, 1)),
        }
    }
    Ok(Driven {
        report,
        facts,
        kills: 0,
        repeats: world.receiver.repeats(),
        reversals,
        took: Duration::ZERO,
        replayed: String::new(),
        reconciled: String::new(),
        callbacks,
        statuses: promises.statuses(),
        histories,
    })
}
