//! A hyper server on loopback that behaves as its script says.
//!
//! Like any real one it can only do so much at once: eight workers, and a queue in front of them that nobody bounds.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::script::{Mood, Script};

/// At 20 ms a response they make 400 responses a second; at 100 ms, 80.
const WORKERS: usize = 8;

/// Connections the kernel may hold until the server accepts them.
const BACKLOG: u32 = 1024;

/// A server at work, seen from outside. It stops when this is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    state: Arc<State>,
    /// Ends with this set, and the connections with it.
    _task: JoinSet<()>,
}

struct State {
    script: Script,
    workers: Semaphore,
    rng: Mutex<SmallRng>,
    calls: Mutex<Vec<Duration>>,
    inside: AtomicU32,
    peak_inside: AtomicU32,
    connections: AtomicU32,
}

impl Server {
    /// Plays `script` on a port of its own. Chance comes from `seed`.
    pub(crate) fn start(script: Script, seed: u64) -> io::Result<Self> {
        let socket = bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = socket.local_addr()?;
        let state = Arc::new(State {
            script,
            workers: Semaphore::new(WORKERS),
            rng: Mutex::new(SmallRng::seed_from_u64(seed)),
            calls: Mutex::default(),
            inside: AtomicU32::new(0),
            peak_inside: AtomicU32::new(0),
            connections: AtomicU32::new(0),
        });
        let mut task = JoinSet::new();
        let listener = socket.listen(BACKLOG)?;
        let play = play(listener, Arc::clone(&state));
        task.spawn(async {
            if let Err(error) = play.await {
                eprintln!("the server has failed: {error}");
            }
        });
        Ok(Self { address, state, _task: task })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// When each call reached it, so far.
    pub(crate) fn calls(&self) -> Vec<Duration> {
        self.state.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many calls were inside it at once, queueing or at work.
    pub(crate) fn peak_inside(&self) -> u32 {
        self.state.peak_inside.load(Ordering::Relaxed)
    }

    /// How many connections it has accepted.
    pub(crate) fn connections(&self) -> u32 {
        self.state.connections.load(Ordering::Relaxed)
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn play(mut listener: TcpListener, state: Arc<State>) -> io::Result<()> {
    let script = state.script;
    let address = listener.local_addr()?;
    let mut connections = JoinSet::new();
    for phase in script.phases() {
        if phase.mood == Mood::Refusing {
            drop(listener);
            connections.shutdown().await;
            // Bound, but not listening: the kernel refuses every connection, and nobody else gets the port meanwhile.
            let socket = bind(address)?;
            script.sleep_until(phase.end).await;
            listener = socket.listen(BACKLOG)?;
        } else {
            tokio::select! {
                never = serve(&listener, &state, &mut connections) => never?,
                () = script.sleep_until(phase.end) => {}
            }
        }
    }
    serve(&listener, &state, &mut connections).await
}

async fn serve(listener: &TcpListener, state: &Arc<State>, connections: &mut JoinSet<()>) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        while connections.try_join_next().is_some() {}
        state.connections.fetch_add(1, Ordering::Relaxed);
        let state = Arc::clone(state);
        connections.spawn(async move {
            let service = service_fn(|_: Request<Incoming>| async { Ok::<_, Infallible>(state.respond().await) });
            // An error here is a client that went away: its own affair.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

impl State {
    async fn respond(&self) -> Response<Full<Bytes>> {
        let arrived = self.script.now();
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(arrived);
        let _inside = Inside::enter(self);
        if self.script.phase_at(arrived).mood == Mood::Hanging {
            pending::<()>().await;
        }
        let Ok(_worker) = self.workers.acquire().await else { unreachable!("the semaphore is never closed") };
        let begun = self.script.now();
        let (work, failing) = self.script.phase_at(begun).performance(begun);
        let (spread, fails) = {
            let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
            (rng.random_range(0.5..1.5), rng.random_bool(failing))
        };
        tokio::time::sleep(work.mul_f64(spread)).await;
        let mut response = Response::new(Full::from("fresh from the server"));
        if fails {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        response
    }
}

/// A call inside the server, until its response is ready or its client goes away.
struct Inside<'a>(&'a State);

impl<'a> Inside<'a> {
    fn enter(state: &'a State) -> Self {
        let inside = state.inside.fetch_add(1, Ordering::Relaxed) + 1;
        state.peak_inside.fetch_max(inside, Ordering::Relaxed);
        Self(state)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::Relaxed);
    }
}
