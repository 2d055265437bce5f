use tokio::sync::mpsc;

use super::letter::DeadLetter;

/// Boxed error, as tower has it.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Where dead letters go: a table, a topic, a file, a channel.
///
/// Implemented by the sender of a bounded `tokio` channel, and by `Arc` of a sink.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not keep dead letters of a `{Request}`",
    note = "use a `tokio::sync::mpsc::Sender<DeadLetter<{Request}>>`, or implement `windbreak::dead_letter::Sink`"
)]
pub trait Sink<Request> {
    /// Keeps a letter. The layer waits for it no longer than its [`timeout`](super::DeadLetterLayer::timeout), and returns
    /// the caller's result whatever becomes of this. Write it as an `async fn`.
    ///
    /// # Errors
    ///
    /// If the letter is not kept.
    fn put(&self, letter: DeadLetter<Request>) -> impl Future<Output = Result<(), BoxError>> + Send;
}

/// Waits while the channel is full, as long as the layer lets it. Fails if nobody receives any more.
impl<Request: Send> Sink<Request> for mpsc::Sender<DeadLetter<Request>> {
    async fn put(&self, letter: DeadLetter<Request>) -> Result<(), BoxError> {
        self.send(letter).await.map_err(|_| "nobody receives".into())
    }
}

impl<Request, K> Sink<Request> for std::sync::Arc<K>
where
    K: Sink<Request> + ?Sized,
{
    fn put(&self, letter: DeadLetter<Request>) -> impl Future<Output = Result<(), BoxError>> + Send {
        (**self).put(letter)
    }
}
