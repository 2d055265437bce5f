//! Workers that are forked make different keys: each of them orders something else.

use std::collections::HashSet;
use std::convert::Infallible;
use std::fs;
use std::future::{Ready, ready};
use std::path::PathBuf;
use std::process::exit;

use fork::{Fork, fork, waitpid};
use http::{HeaderMap, Request};
use tower::{Layer as _, Service as _, service_fn};
use windbreak::http::idempotency_key::IdempotencyKeyLayer;

const WORKERS: usize = 3;
const ORDERS: usize = 3;

/// The key with which an order is sent.
fn key() -> String {
    fn send(request: Request<()>) -> Ready<Result<HeaderMap, Infallible>> {
        ready(Ok(request.into_parts().0.headers))
    }
    let mut client = IdempotencyKeyLayer::new().layer(service_fn(send));
    let order = Request::post("/orders").body(()).expect("the test has a good request");
    let Ok(headers) = client.call(order).into_inner();
    headers["idempotency-key"].to_str().expect("keys are text").to_owned()
}

fn note_of(worker: usize) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("keys-{}-{worker}", std::process::id()))
}

fn main() {
    // Seeds what is seeded once for a thread, as in a server that sends an order before it forks.
    let first = (rand::random::<u64>(), key()).1;
    let notes: Vec<_> = (0..WORKERS).map(note_of).collect();
    let workers: Vec<_> = notes
        .iter()
        .map(|note| match fork().expect("the system can fork") {
            Fork::Parent(worker) => worker,
            Fork::Child => {
                let keys: Vec<_> = (0..ORDERS).map(|_| key()).collect();
                exit(i32::from(fs::write(note, keys.join("\n")).is_err()));
            }
        })
        .collect();
    for worker in workers {
        waitpid(worker).expect("the worker ends");
    }
    let mut keys = HashSet::from([first]);
    for note in notes {
        keys.extend(fs::read_to_string(&note).expect("each worker has noted its keys").lines().map(str::to_owned));
        fs::remove_file(note).expect("it is there");
    }
    assert_eq!(keys.len(), 1 + WORKERS * ORDERS, "{keys:?}");
}
