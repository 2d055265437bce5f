//! Servers on the loopback that do what a test tells them to, and the clients that call them.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep};

// Frames and flags of RFC 9113, section 6.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;

pub(crate) type HyperClient = Client<HttpConnector, Full<Bytes>>;

/// Where a client is to begin with: HTTP/1, or HTTP/2 with prior knowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Http1,
    Http2,
}

pub(crate) fn hyper_client(version: Version) -> HyperClient {
    Client::builder(TokioExecutor::new()).http2_only(version == Version::Http2).build_http()
}

pub(crate) fn reqwest_client(version: Version) -> reqwest::Client {
    reqwest_builder(version).build().expect("a client without TLS can always be built")
}

/// Without the retries that reqwest makes by itself: the layers would not see them.
pub(crate) fn reqwest_builder(version: Version) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder().no_proxy().retry(reqwest::retry::never());
    match version {
        Version::Http1 => builder.http1_only(),
        Version::Http2 => builder.http2_prior_knowledge(),
    }
}

/// reqwest, told to follow no redirects.
pub(crate) fn direct_client(version: Version) -> reqwest::Client {
    direct_builder(version).build().expect("a client without TLS can always be built")
}

pub(crate) fn direct_builder(version: Version) -> reqwest::ClientBuilder {
    reqwest_builder(version).redirect(reqwest::redirect::Policy::none())
}

/// A server that notes its connections and is gone when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    seen: Arc<Seen>,
    task: AbortHandle,
}

#[derive(Debug, Default)]
struct Seen {
    connections: AtomicUsize,
    open: AtomicUsize,
    requests: AtomicUsize,
}

impl Server {
    /// Runs `script` for each connection, over the bare socket.
    pub(crate) async fn raw<F, T>(script: F) -> Self
    where
        F: Fn(Peer) -> T + Send + Sync + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback has free ports");
        Self::serve(listener, script)
    }

    /// A well-behaved server for HTTP/1 and HTTP/2.
    pub(crate) async fn http<F, T, B>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> T + Clone + Send + Sync + 'static,
        T: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback has free ports");
        Self::http_on(listener, answer)
    }

    /// The same, at an address that is known beforehand.
    pub(crate) fn http_on<F, T, B>(listener: TcpListener, answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> T + Clone + Send + Sync + 'static,
        T: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
    {
        Self::serve(listener, move |peer| {
            let answer = answer.clone();
            async move {
                let Peer { stream, open, .. } = peer;
                let service = service_fn(|request| {
                    open.0.requests.fetch_add(1, Ordering::SeqCst);
                    let answer = answer(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                let connection = auto::Builder::new(TokioExecutor::new());
                // How a connection ends is the client's affair.
                let _ = connection.serve_connection(TokioIo::new(stream), service).await;
            }
        })
    }

    fn serve<F, T>(listener: TcpListener, script: F) -> Self
    where
        F: Fn(Peer) -> T + Send + Sync + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let address = listener.local_addr().expect("a listener has an address");
        let seen = Arc::new(Seen::default());
        let counts = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            // Gone with this task.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                let number = counts.connections.fetch_add(1, Ordering::SeqCst);
                let peer = Peer { stream, read: Vec::new(), number, open: Open::new(&counts) };
                connections.spawn(script(peer));
            }
        });
        Self { address, seen, task: task.abort_handle() }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How many connections were ever opened.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// How many connections are open now.
    pub(crate) fn open(&self) -> usize {
        self.seen.open.load(Ordering::SeqCst)
    }

    /// Of how many requests the whole head was read.
    pub(crate) fn requests(&self) -> usize {
        self.seen.requests.load(Ordering::SeqCst)
    }

    /// Waits for the server to notice that its clients are gone.
    pub(crate) async fn is_left_alone(&self) {
        eventually("no connection is open", || self.open() == 0).await;
    }

    /// Goes away, with all its connections.
    pub(crate) async fn stop(self) {
        self.task.abort();
        self.is_left_alone().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Looks until `condition` holds. A second is long for the loopback; more is for a machine that has a lot to do.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(5), "not in time: {what}");
        sleep(Duration::from_millis(2)).await;
    }
}

/// An address of the loopback where nobody listens. Its port is held until the tests end, so that no server gets it.
pub(crate) fn dead_address() -> SocketAddr {
    static HELD: Mutex<Vec<TcpSocket>> = Mutex::new(Vec::new());

    let socket = TcpSocket::new_v4().expect("sockets are left");
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("the loopback has free ports");
    let address = socket.local_addr().expect("it is bound");
    HELD.lock().expect("nobody panics").push(socket);
    address
}

/// An answer with a length.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> String {
    use std::fmt::Write as _;

    let mut answer = format!("HTTP/1.1 {status} -\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        write!(answer, "{name}: {value}\r\n").expect("a string takes everything");
    }
    answer + "\r\n" + body
}

/// The server's end of a connection.
pub(crate) struct Peer {
    stream: TcpStream,
    /// Read, and not yet asked for.
    read: Vec<u8>,
    /// How many connections came before this one.
    pub(crate) number: usize,
    open: Open,
}

/// Counts a connection among the open ones.
struct Open(Arc<Seen>);

impl Open {
    fn new(seen: &Arc<Seen>) -> Self {
        seen.open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(seen))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Peer {
    /// The head of the next request, in lower case. Its body, if it has a length, is read too.
    pub(crate) async fn request(&mut self) -> Option<String> {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let head = self.take(end).await?;
        let head = String::from_utf8(head).expect("heads are text").to_ascii_lowercase();
        self.open.0.requests.fetch_add(1, Ordering::SeqCst);
        if let Some(length) = header(&head, "content-length") {
            self.take(length.parse().expect("a length is a number")).await?;
        }
        Some(head)
    }

    /// Says it, unless the client is gone.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Waits until the client has sent something, and leaves it unread.
    pub(crate) async fn readable(&self) {
        self.stream.peek(&mut [0]).await.expect("the client is there");
    }

    /// Says that nothing more will be sent, and goes on reading.
    pub(crate) async fn half_close(&mut self) {
        // The client may have closed already.
        let _ = self.stream.shutdown().await;
    }

    /// Closes, so that the client sees a reset.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().expect("a socket takes options");
    }

    /// Sends everything back, until the client has closed.
    pub(crate) async fn echo(&mut self) {
        while self.more().await.is_some() {
            let read = std::mem::take(&mut self.read);
            self.send(read).await;
        }
    }

    /// Waits until the client has closed.
    pub(crate) async fn closed(&mut self) {
        while self.more().await.is_some() {
            self.read.clear();
        }
    }

    /// Whether the client begins with HTTP/2. Nothing is read.
    pub(crate) async fn is_http2(&self) -> bool {
        let mut first = [0; 3];
        self.stream.peek(&mut first).await.is_ok_and(|read| read == 3) && first == *b"PRI"
    }

    /// The other side's preface of HTTP/2, answered with ours.
    pub(crate) async fn http2_preface(&mut self) -> Option<()> {
        self.take(24).await?;
        self.frame(SETTINGS, 0, 0, &[]).await;
        Some(())
    }

    /// The number of the next stream whose request is complete.
    pub(crate) async fn http2_request(&mut self) -> Option<u32> {
        self.http2_stream(|kind, flags| matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0).await
    }

    /// The number of the next stream whose head is complete.
    pub(crate) async fn http2_head(&mut self) -> Option<u32> {
        self.http2_stream(|kind, _| kind == HEADERS).await
    }

    async fn http2_stream(&mut self, is_wanted: impl Fn(u8, u8) -> bool) -> Option<u32> {
        loop {
            let head = self.take(9).await?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let (kind, flags) = (head[3], head[4]);
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let payload = self.take(usize::try_from(length).expect("24 bits")).await?;
            match kind {
                SETTINGS if flags & ACK == 0 => self.frame(SETTINGS, ACK, 0, &[]).await,
                PING if flags & ACK == 0 => self.frame(PING, ACK, 0, &payload).await,
                _ if is_wanted(kind, flags) => {
                    self.open.0.requests.fetch_add(1, Ordering::SeqCst);
                    return Some(stream);
                }
                _ => {}
            }
        }
    }

    pub(crate) async fn rst_stream(&mut self, stream: u32, reason: u32) {
        self.frame(RST_STREAM, 0, stream, &reason.to_be_bytes()).await;
    }

    pub(crate) async fn go_away(&mut self, last_stream: u32, reason: u32) {
        let payload = [last_stream.to_be_bytes(), reason.to_be_bytes()].concat();
        self.frame(GOAWAY, 0, 0, &payload).await;
    }

    async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("frames are short").to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.send(frame).await;
    }

    async fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.read.len() < length {
            self.more().await?;
        }
        Some(self.read.drain(..length).collect())
    }

    async fn more(&mut self) -> Option<()> {
        let read = self.stream.read_buf(&mut self.read).await.ok()?;
        (read > 0).then_some(())
    }
}

/// The value of a header in a head that is in lower case.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}
