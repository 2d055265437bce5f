//! An order service on a port of its own, with both providers beside it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use payments::drive::{World, sqlite};
use payments::gateway::Numbers;
use payments::http::{Serve, serve};
use payments::provider::{Condition, Weather};
use payments::storage::Storage as _;
use serde_json::json;

pub struct Service {
    pub world: World,
    client: reqwest::Client,
    folder: PathBuf,
}

impl Service {
    /// In calm weather, with a quota of 1,000 for customer `c`.
    pub async fn start(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("payments-http-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let storage = sqlite(&folder.join("orders.db")).await.expect("a database");
        storage.set_quota("c", 1_000).await.expect("the database is well");
        let listen: SocketAddr = payments::net::listener().await.expect("a port").local_addr().expect("an address");
        let world = World::start(1, Weather::CALM, format!("http://{listen}")).await.expect("ports");
        let plan = Serve {
            listen,
            providers: world.provider_urls.clone(),
            events: world.events_url.clone(),
            numbers: Numbers {
                total: Duration::from_secs(2),
                attempt: Duration::from_millis(300),
                ..Numbers::default()
            },
            is_naive: false,
        };
        tokio::spawn(serve(storage, plan, std::future::pending()));
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let service = Self { world, client, folder };
        while service.client.get(&service.world.service_url).send().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        service
    }

    pub async fn post(&self, path: &str, body: impl Into<String>) -> reqwest::Response {
        let url = format!("{}{path}", self.world.service_url);
        self.client.post(url).body(body.into()).send().await.expect("a response")
    }

    pub async fn order(&self, id: &str, units: u32) -> reqwest::Response {
        let order = json!({ "id": id, "customer": "c", "cents": 1_250, "units": units });
        self.post("/orders", order.to_string()).await
    }

    pub async fn get(&self, path: &str) -> String {
        let url = format!("{}{path}", self.world.service_url);
        self.client.get(url).send().await.expect("a response").text().await.expect("a body")
    }

    pub fn both(&self, condition: Condition) {
        self.world.providers.iter().for_each(|provider| provider.set_condition(condition));
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
