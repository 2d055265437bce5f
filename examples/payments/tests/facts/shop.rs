//! A shop over a database, with both providers in the same process.

use std::sync::Arc;
use std::time::Duration;

use payments::domain::{NewOrder, Order, Provider, State};
use payments::gateway::Numbers;
use payments::provider::{CallBack, Upstream, Weather};
use payments::receiver::Receiver;
use payments::service::{Shop, relay};
use payments::simulation::{Line, Mail};
use payments::storage::{Quota, Storage};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

pub struct Stage<S> {
    pub shop: Shop<Line, S>,
    pub providers: [Arc<Upstream>; 2],
    pub calls: UnboundedReceiver<CallBack>,
    pub receiver: Arc<Receiver>,
    pub storage: S,
}

/// Short: a test waits for each of them.
pub fn numbers() -> Numbers {
    Numbers {
        total: Duration::from_secs(2),
        attempt: Duration::from_millis(200),
        question: Duration::from_millis(200),
        ask_after: Duration::from_millis(5),
        sweep_after: Duration::from_millis(50),
        ..Numbers::default()
    }
}

impl<S: Storage> Stage<S> {
    /// In calm weather, with a quota of 10 for customer `c`.
    pub async fn new(storage: S) -> Self {
        storage.set_quota("c", 10).await.expect("the database is well");
        let (send, calls) = unbounded_channel();
        let providers = Provider::ALL.map(|provider| Upstream::new(provider, 1, Weather::CALM, send.clone()));
        let shop = Self::shop(&storage, &providers);
        let receiver = Arc::new(Receiver::new(1, 0.0));
        Self { shop, providers, calls, receiver, storage }
    }

    /// A shop over another database, or another one over the same.
    pub fn shop(storage: &S, providers: &[Arc<Upstream>; 2]) -> Shop<Line, S> {
        Shop::new(storage.clone(), providers.clone().map(Line), numbers()).expect("valid numbers")
    }

    pub async fn order(&self, id: &str) -> Order {
        self.storage.order(id).await.expect("the database is well").expect("it was written")
    }

    pub async fn state(&self, id: &str) -> State {
        self.order(id).await.state
    }

    pub async fn quota(&self) -> Quota {
        self.storage.quotas().await.expect("the database is well").remove(0)
    }

    /// Money that stands at both providers.
    pub fn charged(&self) -> u64 {
        let cents = |provider: &Arc<Upstream>| -> u64 {
            provider.books().all().filter(|(_, payment)| payment.is_charged()).map(|(_, payment)| payment.cents).sum()
        };
        self.providers.iter().map(cents).sum()
    }

    /// Runs the relays until nothing waits, or for two seconds.
    pub async fn relay(&self) {
        let relays = relay(self.shop.clone(), Mail(Arc::clone(&self.receiver)), std::future::pending());
        let settled = async {
            loop {
                tokio::time::sleep(Duration::from_millis(20)).await;
                if !payments::audit::Facts::is_waiting(&self.storage).await.expect("the database is well") {
                    return;
                }
            }
        };
        tokio::select! {
            ended = relays => panic!("the relays ended: {ended:?}"),
            () = settled => {}
            () = tokio::time::sleep(Duration::from_secs(5)) => panic!("something still waits"),
        }
    }
}

pub fn new_order(id: &str) -> NewOrder {
    NewOrder { id: id.to_owned(), customer: "c".to_owned(), cents: 1_250, units: 3 }
}
