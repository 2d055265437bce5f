use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::line::{Line, Mail};
use crate::clients::{Answered, Counter};
use crate::domain::NewOrder;
use crate::gateway::Numbers;
use crate::provider::Upstream;
use crate::receiver::Receiver;
use crate::service::{Reply, Shop, relay};
use crate::storage::Memory;

pub(super) type SimShop = Shop<Line, Memory>;

/// How orders are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// This program's way.
    ByState,
    /// Without the library.
    Naive,
    /// The call, then the transaction.
    AfterTheCall,
    /// The transaction, then the call.
    BeforeTheCall,
}

/// The order service: what outlives a crash of it, and what does not.
#[derive(Debug, Clone)]
pub(super) struct Process {
    pub(super) storage: Memory,
    pub(super) providers: [Arc<Upstream>; 2],
    pub(super) receiver: Arc<Receiver>,
    pub(super) numbers: Numbers,
    program: Program,
    alive: Arc<Mutex<Option<Alive>>>,
}

/// What a crash ends.
#[derive(Debug)]
struct Alive {
    shop: SimShop,
    tasks: Vec<AbortHandle>,
}

impl Process {
    pub(super) fn new(
        storage: Memory,
        providers: [Arc<Upstream>; 2],
        receiver: Arc<Receiver>,
        numbers: Numbers,
        program: Program,
    ) -> Self {
        Self { storage, providers, receiver, numbers, program, alive: Arc::default() }
    }

    pub(super) async fn start(&self) {
        let wires = self.providers.clone().map(Line);
        let shop = Shop::new(self.storage.clone(), wires, self.numbers).expect("valid numbers");
        while shop.restore_switches().await.is_err() {}
        let relay = relay(shop.clone(), Mail(Arc::clone(&self.receiver)), std::future::pending());
        let relay = tokio::spawn(async move { relay.await.expect("valid numbers") });
        *self.alive() = Some(Alive { shop, tasks: vec![relay.abort_handle()] });
    }

    /// kill -9: nothing of it runs any more.
    pub(super) fn crash(&self) {
        if let Some(alive) = self.alive().take() {
            for task in alive.tasks {
                task.abort();
            }
        }
    }

    /// Runs `work` within the process. `None` if there is none, or if it crashes before the end.
    pub(super) async fn call<T, F>(&self, work: impl FnOnce(SimShop) -> F) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        {
            let mut alive = self.alive();
            let alive = alive.as_mut()?;
            let work = work(alive.shop.clone());
            let task = tokio::spawn(async move {
                // Whoever asked may be gone.
                let _ = tell.send(work.await);
            });
            alive.tasks.retain(|task| !task.is_finished());
            alive.tasks.push(task.abort_handle());
        }
        told.await.ok()
    }

    fn alive(&self) -> MutexGuard<'_, Option<Alive>> {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counter for Process {
    async fn order(&self, new: NewOrder) -> Option<Answered> {
        let (program, mail) = (self.program, Mail(Arc::clone(&self.receiver)));
        let place = move |shop: SimShop| async move {
            match program {
                Program::ByState => shop.place(new).await,
                Program::Naive => shop.place_naively(new, mail).await,
                Program::AfterTheCall => shop.place_after_the_call(new).await,
                Program::BeforeTheCall => shop.place_before_the_call(new).await,
            }
        };
        let reply = self.call(place).await?;
        let retry_after = match reply {
            Reply::Unavailable { retry_after, .. } => retry_after,
            _ => None,
        };
        Some(Answered { status: reply.status(), retry_after })
    }
}
