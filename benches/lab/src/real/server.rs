use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::upstream::Counts;

/// What a server does to those that call it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Conduct {
    /// Answers within 20 ms.
    Well,
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

/// A server on loopback, which ends with this value.
pub(crate) struct Server {
    shared: Arc<Shared>,
    url: String,
    _accepting: JoinSet<()>,
}

struct Shared {
    conduct: Conduct,
    start: Instant,
    inside: Mutex<(Counts, SmallRng)>,
}

/// What is known of a request once its head is read.
#[derive(Debug, Default)]
struct Head {
    id: u64,
    is_post: bool,
    is_keyed: bool,
    length: usize,
}

const WORK: Duration = Duration::from_millis(20);
const BODY: &[u8] = b"0123456789";

impl Server {
    pub(crate) async fn start(conduct: Conduct) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/", listener.local_addr()?);
        let inside = Mutex::new((Counts::default(), SmallRng::seed_from_u64(7)));
        let shared = Arc::new(Shared { conduct, start: Instant::now(), inside });
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { shared, url, _accepting: accepting })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn now(&self) -> Duration {
        self.shared.start.elapsed()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.shared.inside().0.clone()
    }

    /// How likely it is that a request would be answered well now.
    pub(crate) fn would_answer(&self) -> f64 {
        match self.shared.conduct {
            Conduct::Well | Conduct::Closes(_) | Conduct::ReadsSlowly(_) => 1.0,
            Conduct::Resets(ratio) | Conduct::Stalls(ratio) => 1.0 - ratio,
            Conduct::Full(limit) => f64::from(u8::from(self.shared.inside().0.in_flight < limit)),
        }
    }
}

impl Shared {
    fn inside(&self) -> MutexGuard<'_, (Counts, SmallRng)> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw(&self, ratio: f64) -> bool {
        self.inside().1.random_bool(ratio)
    }

    fn act(&self, head: &Head) {
        if head.is_post {
            let times = &mut *self.inside();
            let times = times.0.effects.entry(head.id).or_insert(0);
            *times = if head.is_keyed { 1 } else { *times + 1 };
        }
    }

    /// Counts an attempt. `false` if it is one too many.
    fn enter(self: &Arc<Self>) -> (Visit, bool) {
        let counts = &mut self.inside().0;
        counts.attempts.push(self.start.elapsed());
        let has_room = !matches!(self.conduct, Conduct::Full(limit) if counts.in_flight >= limit);
        counts.in_flight += 1;
        counts.most_in_flight = counts.most_in_flight.max(counts.in_flight);
        (Visit(Arc::clone(self)), has_room)
    }

    /// How often idle connections were closed until now.
    fn closings(&self) -> u128 {
        match self.conduct {
            Conduct::Closes(period) => self.start.elapsed().as_nanos() / period.as_nanos(),
            _ => 0,
        }
    }
}

struct Visit(Arc<Shared>);

impl Drop for Visit {
    fn drop(&mut self) {
        self.0.inside().0.in_flight -= 1;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        // A client that goes is no error of the server's.
        connections.spawn(async move { drop(serve(stream, &shared).await) });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let mut last_used = None;
    while let Some(head) = read_head(&mut stream).await? {
        let (_visit, has_room) = shared.enter();
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
        sleep(WORK).await;
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
