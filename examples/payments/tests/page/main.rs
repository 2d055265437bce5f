//! The page in a real browser, of an order service that is a process of its own and is killed.

mod browser;
mod figures;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use payments::drive::{World, sqlite};
use payments::provider::{Condition, Weather};
use payments::storage::Storage as _;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::sleep;

use self::browser::Browser;
use self::figures::agree;

/// A folder that is gone after the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("payments-page-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The order service, as the program runs it.
fn serve(world: &World, listen: SocketAddr, database: &Path) -> Child {
    let [alpha, beta] = &world.provider_urls;
    let mut command = Command::new(env!("CARGO_BIN_EXE_payments"));
    command.args(["serve", "--until-input-ends", "--listen", &listen.to_string(), "--database"]).arg(database);
    command.args(["--alpha", alpha, "--beta", beta, "--events", &world.events_url]);
    command.stdin(Stdio::piped()).kill_on_drop(true).spawn().expect("the order service starts")
}

async fn order(client: reqwest::Client, service: String, id: String) -> u16 {
    let order = json!({ "id": id, "customer": "c", "cents": 125_050, "units": 1 });
    let response = client.post(format!("{service}/orders")).body(order.to_string()).send().await;
    response.map_or(0, |response| response.status().as_u16())
}

#[tokio::test]
async fn the_page_shows_the_status_and_that_the_service_was_killed_and_is_back() {
    let Some(mut browser) = Browser::start("the_page_shows_the_status").await else { return };
    let folder = Folder::new("status");
    let database = folder.0.join("orders.db");
    let storage = sqlite(&database).await.expect("a database");
    storage.set_quota("c", 1_000).await.expect("the database is well");
    let listen = payments::net::listener().await.expect("a port").local_addr().expect("an address");
    let service = format!("http://{listen}");
    let world = World::start(1, Weather::CALM, service.clone()).await.expect("ports");
    let mut process = serve(&world, listen, &database);
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    while client.get(format!("{service}/status")).send().await.is_err() {
        sleep(Duration::from_millis(20)).await;
    }
    browser.open(&service).await;
    let live = format!("Live: process {}", process.id().expect("it runs"));
    browser.shows("#live", |text| text == live).await;

    // Orders are paid.
    for id in ["a", "b", "c"] {
        assert_eq!(order(client.clone(), service.clone(), id.to_owned()).await, 201);
    }
    browser.shows("dd[data-figure='orders.COMPLETED']", |text| text == "3").await;
    agree(&mut browser, &client, &service).await;
    assert_eq!(browser.text("[data-figure='providers.*.counts.cents']").await, "3,751.50");
    assert_eq!(browser.text("#verdict").await, "as many as completed orders");
    assert_eq!(browser.text("#parked").await, "none");

    // Work is parked, and shown as text whatever stands in it.
    storage.list_for_a_person("a", "two amounts <b>differ</b>").await.expect("the database is well");
    browser.shows("#parked", |text| text == "a: two amounts <b>differ</b>").await;

    // Both providers fail, and the circuits open: first alpha's, and then that of beta, where the orders go next.
    world.providers.iter().for_each(|provider| provider.set_condition(Condition::Failing));
    let mut orders = JoinSet::new();
    for index in 0..150 {
        let (client, service) = (client.clone(), service.clone());
        orders.spawn(async move {
            sleep(Duration::from_millis(50 * index)).await;
            order(client, service, format!("f{index}")).await
        });
    }
    for name in ["alpha", "beta"] {
        browser.shows("#log", |text| text.contains(&format!("The circuit of {name} opened: "))).await;
    }
    browser.shows("#sides > :first-child", |text| text.contains("last failure: ")).await;
    orders.join_all().await;
    agree(&mut browser, &client, &service).await;

    // kill -9.
    process.kill().await.expect("it ran");
    let down = "The order service is down. The numbers are ";
    browser.shows("#live", |text| text.starts_with(down)).await;
    assert_eq!(browser.value("document.title").await, "down: payments");
    // What was known is still there.
    assert_eq!(browser.text("dd[data-figure='orders.COMPLETED']").await, "3");

    // It comes back, settles what it left behind, and the page goes on by itself.
    world.providers.iter().for_each(|provider| provider.set_condition(Condition::Up));
    let process = serve(&world, listen, &database);
    let live = format!("Live: process {}", process.id().expect("it runs"));
    browser.shows("#live", |text| text == live).await;
    assert_eq!(browser.value("document.title").await, "payments");
    browser.shows("#log", |text| text.contains("The order service is back after ")).await;
    assert_eq!(order(client.clone(), service.clone(), "d".to_owned()).await, 201);
    browser.shows("dd[data-figure='orders.COMPLETED']", |text| text == "4").await;
    agree(&mut browser, &client, &service).await;
    browser.close().await;
}

#[tokio::test]
async fn the_story_is_shown_while_it_runs_and_its_end_is_that_of_the_audit() {
    let Some(mut browser) = Browser::start("the_story_is_shown").await else { return };
    let folder = Folder::new("story");
    let mut command = Command::new(env!("CARGO_BIN_EXE_payments"));
    command.args(["--orders", "200", "--rate", "20", "--kills", "2", "--seed", "3", "--stay"]);
    let command = command.env("TMPDIR", &folder.0).stdout(Stdio::piped()).kill_on_drop(true);
    let mut story = command.spawn().expect("the program starts");
    let said = Arc::new(Mutex::new(String::new()));
    let mut output = story.stdout.take().expect("a pipe");
    let saying = Arc::clone(&said);
    let reading = tokio::spawn(async move {
        let mut part = [0; 4_096];
        while let Ok(1..) = output.read(&mut part).await.inspect(|read| {
            saying.lock().expect("not poisoned").push_str(&String::from_utf8_lossy(&part[..*read]));
        }) {}
    });
    let told = |start: &'static str| {
        let said = Arc::clone(&said);
        async move {
            for _ in 0..2_400 {
                let text = said.lock().expect("not poisoned").clone();
                if let Some((_, rest)) = text.split_once(start).filter(|(_, rest)| rest.contains('\n')) {
                    return rest.lines().next().unwrap_or_default().to_owned();
                }
                sleep(Duration::from_millis(50)).await;
            }
            panic!("it did not say {start:?}, but {}", said.lock().expect("not poisoned"));
        }
    };
    let line = told("orders at ").await;
    let service = line.split(',').next().expect("a URL").to_owned();
    browser.open(&service).await;

    // While it runs: orders come, and the service is killed and is back.
    browser
        .shows("[data-figure='orders.*']", |text| text.parse::<u32>().is_ok_and(|all| (1..150).contains(&all)))
        .await;
    browser.shows("#log", |text| text.contains("The order service is back after ")).await;

    // All is quiet: nothing is open any more, and both sides agree.
    told("all is quiet").await;
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    agree(&mut browser, &client, &service).await;
    for state in ["PENDING", "VOIDING"] {
        assert_eq!(browser.text(&format!("dd[data-figure='orders.{state}']")).await, "0");
    }
    assert_eq!(browser.text("#verdict").await, "as many as completed orders");
    assert_eq!(browser.text("#waiting").await, "none is waiting");
    let completed = browser.text("dd[data-figure='orders.COMPLETED']").await;

    // Ctrl-C: the audit is clean, and of the same numbers.
    let id = story.id().expect("it runs").to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().await.expect("kill is there").success());
    let line = told(" orders in ").await;
    assert!(line.contains(&format!(" {completed} completed, ")), "{line}");
    assert!(story.wait().await.expect("it ends").success());
    reading.abort();
    browser.shows("#live", |text| text.starts_with("The order service is down.")).await;
    browser.close().await;
}
