use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::ledger::Ledger;
use super::listen::{Listening, listen};
use crate::upstream::Schedule;

/// What a server does to those that call it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Conduct {
    /// Answers within 20 ms.
    Well,
    /// Answers within this time.
    Takes(Duration),
    /// Resets this share of its connections instead of answering; half of them after it acted.
    Resets(f64),
    /// Closes all idle connections as often as this, unnoticed until they are used.
    Closes(Duration),
    /// Stops in the middle of the body of this share of its responses.
    Stalls(f64),
    /// Turns away with a 503 whoever comes while it works on so many.
    Full(usize),
    /// Reads so many bytes a second of the request's body.
    ReadsSlowly(usize),
}

/// A server of HTTP/1 on loopback, which ends with this value.
pub(super) struct Server {
    shared: Arc<Shared>,
    listening: Listening,
}

struct Shared {
    conduct: Conduct,
    ledger: Arc<Ledger>,
    /// How many requests it works on.
    busy: AtomicUsize,
    rng: Mutex<SmallRng>,
}

/// What is known of a request once its head is read.
#[derive(Debug, Default)]
struct Head {
    id: u64,
    is_post: bool,
    is_keyed: bool,
    length: usize,
}

/// What a request takes.
pub(super) const WORK: Duration = Duration::from_millis(20);
pub(super) const BODY: &[u8] = b"0123456789";

impl Server {
    /// By `down` it dies with all that it has, and comes back.
    pub(super) async fn start(conduct: Conduct, down: Option<Schedule>, ledger: Arc<Ledger>) -> io::Result<Self> {
        let rng = Mutex::new(SmallRng::seed_from_u64(7));
        let shared = Arc::new(Shared { conduct, ledger: Arc::clone(&ledger), busy: AtomicUsize::new(0), rng });
        let serving = Arc::clone(&shared);
        let serve = move |stream| {
            let shared = Arc::clone(&serving);
            // A client that goes is no error of the server's.
            async move { drop(serve(stream, &shared).await) }
        };
        Ok(Self { shared, listening: listen(down, ledger, serve).await? })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.listening.address
    }

    /// How likely it is that a request would be answered well now, while the server is up.
    pub(super) fn would_answer(&self) -> f64 {
        match self.shared.conduct {
            Conduct::Well | Conduct::Takes(_) | Conduct::Closes(_) | Conduct::ReadsSlowly(_) => 1.0,
            Conduct::Resets(ratio) | Conduct::Stalls(ratio) => 1.0 - ratio,
            Conduct::Full(limit) => f64::from(u8::from(self.shared.busy.load(Ordering::Relaxed) < limit)),
        }
    }
}

impl Shared {
    fn draw(&self, ratio: f64) -> bool {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).random_bool(ratio)
    }

    fn act(&self, head: &Head) {
        if head.is_post {
            self.ledger.act(head.id, head.is_keyed);
        }
    }

    /// Begins to work. `false` if that is one too many.
    fn enter(&self) -> (Work<'_>, bool) {
        let busy = self.busy.fetch_add(1, Ordering::Relaxed);
        (Work(&self.busy), !matches!(self.conduct, Conduct::Full(limit) if busy >= limit))
    }

    /// How often idle connections were closed until now.
    fn closings(&self) -> u128 {
        match self.conduct {
            Conduct::Closes(period) => self.ledger.now().as_nanos() / period.as_nanos(),
            _ => 0,
        }
    }
}

struct Work<'a>(&'a AtomicUsize);

impl Drop for Work<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long it is until the next multiple of `period`.
pub(super) fn until_next(period: Duration, now: Duration) -> Duration {
    let into = now.as_nanos() % period.as_nanos();
    period.saturating_sub(Duration::from_nanos(into.try_into().unwrap_or(0)))
}

async fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut last_used = None;
    while let Some(head) = read_head(&mut stream).await? {
        let (_work, has_room) = shared.enter();
        if last_used.is_some_and(|closings| closings < shared.closings()) {
            return Ok(());
        }
        read_body(&mut stream, head.length, shared.conduct).await?;
        if !has_room {
            respond(&mut stream, "503 Service Unavailable", BODY).await?;
            continue;
        }
        if let Conduct::Resets(ratio) = shared.conduct {
            if shared.draw(ratio) {
                if shared.draw(0.5) {
                    shared.act(&head);
                }
                stream.get_ref().set_zero_linger()?;
                return Ok(());
            }
        }
        shared.act(&head);
        sleep(if let Conduct::Takes(time) = shared.conduct { time } else { WORK }).await;
        let stalls = matches!(shared.conduct, Conduct::Stalls(ratio) if shared.draw(ratio));
        respond(&mut stream, "200 OK", if stalls { &BODY[..5] } else { BODY }).await?;
        if stalls {
            // Until the client has enough of it.
            stream.read_u8().await?;
        }
        last_used = Some(shared.closings());
    }
    Ok(())
}

/// `None` if the client has closed the connection.
async fn read_head(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Head>> {
    let mut head = Head::default();
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    head.is_post = line.starts_with("POST");
    loop {
        line.clear();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { return Ok(Some(head)) };
        match name.to_ascii_lowercase().as_str() {
            "x-id" => head.id = value.parse().unwrap_or(0),
            "idempotency-key" => head.is_keyed = true,
            "content-length" => head.length = value.parse().unwrap_or(0),
            _ => {}
        }
    }
}

async fn read_body(stream: &mut BufReader<TcpStream>, mut length: usize, conduct: Conduct) -> io::Result<()> {
    /// How often a slow reader reads.
    const READS: u32 = 20;

    let mut buffer = vec![0; 16 * 1024];
    while length > 0 {
        if let Conduct::ReadsSlowly(rate) = conduct {
            let mut part = (rate / READS as usize).min(length);
            length -= part;
            while part > 0 {
                let most = part.min(buffer.len());
                stream.read_exact(&mut buffer[..most]).await?;
                part -= most;
            }
            sleep(Duration::from_secs(1) / READS).await;
        } else {
            let most = length.min(buffer.len());
            stream.read_exact(&mut buffer[..most]).await?;
            length -= most;
        }
    }
    Ok(())
}

/// The head promises a whole body, whatever is sent of it.
async fn respond(stream: &mut BufReader<TcpStream>, status: &str, body: &[u8]) -> io::Result<()> {
    let mut response = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", BODY.len()).into_bytes();
    response.extend_from_slice(body);
    stream.write_all(&response).await
}
