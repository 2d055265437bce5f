//! An upstream that accepts every message, and keeps what it was sent in a file: what it did is there, whoever is killed.

use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::sleep;
use tower::Service;
use windbreak::Error;
use windbreak::outbox::Message;

#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    file: Arc<File>,
    takes: Duration,
}

impl Upstream {
    pub(crate) fn open(path: &Path, takes: Duration) -> Self {
        let file = OpenOptions::new().append(true).create(true).open(path).expect("a file");
        Self { file: Arc::new(file), takes }
    }

    /// The ids, in the order in which they came.
    pub(crate) fn accepted(path: &Path) -> Vec<String> {
        std::fs::read_to_string(path).unwrap_or_default().lines().map(String::from).collect()
    }
}

impl Service<Message> for Upstream {
    type Response = ();
    type Error = Error<Infallible>;
    type Future = Pin<Box<dyn Future<Output = Result<(), Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, message: Message) -> Self::Future {
        let Self { file, takes } = self.clone();
        Box::pin(async move {
            sleep(takes / 2).await;
            // One call of the system, at the end of the file: lines do not mix.
            (&*file).write_all(format!("{}\n", message.id).as_bytes()).expect("it is written");
            sleep(takes / 2).await;
            Ok(())
        })
    }
}
