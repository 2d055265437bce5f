//! A storm of random faults over real connections: no POST is acted upon twice, by the server's own count.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode};
use http_body_util::Full;
use tokio::task::JoinSet;
use tower::{Service, ServiceBuilder, ServiceExt as _, service_fn};
use windbreak::http::{Http, HttpRules};
use windbreak::retry::RetryBudget;
use windbreak::{Error, RetryLayer, RetryPolicy, TimeoutLayer};

use crate::support::http::{
    Peer, Server, Version, answer, dead_address, direct_client, header, hyper_client, reqwest_client,
};

const X_ID: &str = "x-id";
const X_FAULT: &str = "x-fault";
const X_RESEND: HeaderName = HeaderName::from_static("x-resend");

fn policy() -> RetryPolicy {
    let policy = RetryPolicy::builder().backoff(Duration::from_millis(1)).budget(RetryBudget::unlimited());
    policy.build().expect("the test has a good policy")
}

/// What becomes of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Fault {
    /// Nobody listens.
    Refuse,
    /// Accepted, and closed.
    CloseUnread,
    CloseRead,
    ResetRead,
    /// No answer within the timeout of the attempt.
    Slow,
    Answer(u16),
    /// A 421 or 429 with `Retry-After`: the server has not acted.
    TurnAway(u16),
    /// A 503 with `Retry-After`, of a proxy that lost the server after it had acted.
    ProxyError,
    /// The server has acted, and says where to look next. Whoever goes there is turned away.
    SeeOther(u16),
    /// The same, but nobody listens there.
    SeeNowhere,
}

const FAULTS: [Fault; 18] = [
    Fault::Refuse,
    Fault::CloseUnread,
    Fault::CloseRead,
    Fault::ResetRead,
    Fault::Answer(200),
    Fault::Answer(201),
    Fault::Answer(404),
    Fault::Answer(500),
    Fault::Answer(503),
    Fault::Answer(504),
    Fault::TurnAway(429),
    Fault::TurnAway(421),
    Fault::ProxyError,
    Fault::SeeOther(421),
    Fault::SeeOther(429),
    Fault::SeeOther(503),
    Fault::SeeNowhere,
    Fault::Slow,
];

/// The same for the same attempt of the same request, whatever happens at the same time.
fn draw(id: usize, resends: usize) -> usize {
    // SplitMix64.
    let mut z = (id as u64 * 8 + resends as u64).wrapping_add(7).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    let last = FAULTS.len() - 1;
    let drawn = usize::try_from((z ^ (z >> 31)) >> 32).expect("32 bits");
    // Those that are slow are few, so that the test is not.
    if drawn % 50 == 0 { last } else { drawn / 50 % last }
}

/// What the server knows of one request.
#[derive(Debug, Default)]
struct Known {
    /// How often it has read its whole head.
    heads: usize,
    /// How often it may have acted on it.
    acted: usize,
    /// How often it was asked for the page that it had named.
    followed: usize,
    keys: HashSet<String>,
}

type Book = Arc<Mutex<HashMap<usize, Known>>>;

async fn faulty(mut peer: Peer, book: Book, dead: SocketAddr) {
    while let Some(head) = peer.request().await {
        let id = header(&head, X_ID).expect("each has one").parse().expect("it is a number");
        let fault = FAULTS[header(&head, X_FAULT).expect("each has one").parse::<usize>().expect("it is a number")];
        if let (Fault::SeeOther(status), true) = (fault, head.starts_with("get /receipt ")) {
            book.lock().expect("no server panics").entry(id).or_default().followed += 1;
            peer.send(answer(status, &[("retry-after", "0")], "later")).await;
            continue;
        }
        {
            let mut book = book.lock().expect("no server panics");
            let known = book.entry(id).or_default();
            known.heads += 1;
            known.acted += usize::from(!matches!(fault, Fault::TurnAway(_)));
            known.keys.extend(header(&head, "idempotency-key").map(str::to_owned));
        }
        match fault {
            Fault::Refuse | Fault::CloseUnread => unreachable!("these were sent elsewhere"),
            Fault::CloseRead => return,
            Fault::ResetRead => return peer.reset(),
            Fault::Slow => return peer.closed().await,
            Fault::Answer(status) => peer.send(answer(status, &[], "done")).await,
            Fault::TurnAway(status) => peer.send(answer(status, &[("retry-after", "0")], "later")).await,
            Fault::ProxyError => peer.send(answer(503, &[("retry-after", "0")], "guru meditation")).await,
            Fault::SeeOther(_) => peer.send(answer(303, &[("location", "/receipt")], "done")).await,
            Fault::SeeNowhere => {
                let location = format!("http://{dead}/receipt");
                peer.send(answer(303, &[("location", &location)], "done")).await
            }
        };
    }
}

/// Where the attempts of the storm go.
struct Targets {
    server: Server,
    closing: Server,
    dead: SocketAddr,
}

impl Targets {
    /// The port for an attempt, and its fault, by number.
    fn aim(&self, headers: &HeaderMap) -> (u16, usize) {
        let number = |name: &str| headers.get(name).map(|value| value.to_str().expect("text").parse().expect("number"));
        let fault = draw(number(X_ID).expect("each has one"), number(X_RESEND.as_str()).unwrap_or(0));
        let address = match FAULTS[fault] {
            Fault::Refuse => self.dead,
            Fault::CloseUnread => self.closing.address(),
            _ => self.server.address(),
        };
        (address.port(), fault)
    }
}

/// Of six requests, four are POSTs, one is a POST with a key, and one is a GET.
const REQUESTS: usize = 6_000;

fn method_of(id: usize) -> Method {
    if id % 6 == 5 { Method::GET } else { Method::POST }
}

fn is_keyed(id: usize) -> bool {
    id % 6 == 4
}

/// Sends them all, some at a time, and returns the statuses that came back.
async fn storm<S, R, T, E>(client: S, request: impl Fn(usize) -> R, status: fn(&T) -> StatusCode) -> HashMap<usize, u16>
where
    S: Service<R, Response = T, Error = E, Future: Send> + Clone + Send + 'static,
    R: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    let mut statuses = HashMap::new();
    let mut running = JoinSet::new();
    for id in 0..REQUESTS {
        if running.len() == 64 {
            let (id, status) = running.join_next().await.expect("64 are running").expect("no request panics");
            statuses.insert(id, status);
        }
        let (client, request) = (client.clone(), request(id));
        running.spawn(async move {
            (id, client.oneshot(request).await.as_ref().map_or(0, |answer| status(answer).as_u16()))
        });
    }
    statuses.extend(running.join_all().await);
    statuses
}

/// Returns how many GETs, POSTs with a key, and other POSTs were repeated: the last never if they had been acted upon.
fn check(book: &Book, statuses: &HashMap<usize, u16>) -> [usize; 3] {
    let book = book.lock().unwrap_or_else(PoisonError::into_inner);
    let mut repeated = [0; 3];
    for (&id, known) in &*book {
        assert!(known.heads <= 3, "request {id}: {known:?}");
        match (method_of(id), is_keyed(id)) {
            (Method::GET, _) => repeated[0] += usize::from(known.acted > 1),
            (_, true) => {
                assert_eq!(known.keys.len(), 1, "request {id}: {known:?}");
                repeated[1] += usize::from(known.acted > 1);
            }
            (_, false) => {
                assert!(known.acted <= 1, "request {id}: {known:?}");
                repeated[2] += usize::from(known.heads > 1);
            }
        }
    }
    for (id, status) in statuses {
        let acted = book.get(id).map_or(0, |known| known.acted);
        assert!(acted > 0 || !matches!(status, 200 | 201 | 404), "request {id} was answered by nobody");
    }
    assert_eq!(statuses.len(), REQUESTS);
    assert!(repeated[..2].iter().all(|&repeated| repeated > 100), "nothing was put to the test: {repeated:?}");
    repeated
}

fn followed(book: &Book) -> usize {
    book.lock().unwrap_or_else(PoisonError::into_inner).values().map(|known| known.followed).sum()
}

async fn targets() -> (Arc<Targets>, Book) {
    let book = Book::default();
    let noted = Arc::clone(&book);
    let dead = dead_address();
    let server = Server::raw(move |peer| faulty(peer, Arc::clone(&noted), dead)).await;
    let closing = Server::raw(|peer| async move { drop(peer) }).await;
    (Arc::new(Targets { server, closing, dead }), book)
}

const ATTEMPT: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hyper_sends_no_post_twice_that_may_have_been_acted_upon() {
    let (targets, book) = targets().await;
    let aim = Arc::clone(&targets);
    let client = hyper_client(Version::Http1);
    let stack = ServiceBuilder::new()
        .layer(RetryLayer::new(policy(), Http::builder().resend_header(X_RESEND)))
        .layer(TimeoutLayer::new(ATTEMPT))
        .map_err(Error::Service)
        .service(service_fn(move |mut request: Request<Full<Bytes>>| {
            let (port, fault) = aim.aim(request.headers());
            *request.uri_mut() = format!("http://127.0.0.1:{port}/").parse().unwrap();
            request.headers_mut().insert(X_FAULT, fault.into());
            client.request(request)
        }));
    let request = |id: usize| {
        let mut request = Request::builder().method(method_of(id)).uri("/").header(X_ID, id);
        if is_keyed(id) {
            request = request.header("idempotency-key", format!("\"{id}\""));
        }
        request.body(Full::from(if id % 6 == 5 { "" } else { "order" })).unwrap()
    };
    let statuses = storm(stack, request, Response::status).await;
    let [_, _, posts] = check(&book, &statuses);
    assert!(posts > 100, "those that were turned away are repeated: {posts}");
    targets.server.is_left_alone().await;
}

/// The storm through reqwest. Returns how many POSTs without a key were repeated, and how many redirects were followed.
async fn reqwest_storm(client: reqwest::Client, rules: HttpRules) -> (usize, usize) {
    let (targets, book) = targets().await;
    let aim = Arc::clone(&targets);
    let stack = ServiceBuilder::new()
        .layer(RetryLayer::new(policy(), rules.resend_header(X_RESEND)))
        .layer(TimeoutLayer::new(ATTEMPT))
        .map_err(Error::Service)
        .service(service_fn(move |mut request: reqwest::Request| {
            let (port, fault) = aim.aim(request.headers());
            request.url_mut().set_port(Some(port)).expect("HTTP has ports");
            request.headers_mut().insert(X_FAULT, fault.into());
            client.execute(request)
        }));
    let request = |id: usize| {
        let mut request = reqwest::Request::new(method_of(id), "http://127.0.0.1/".parse().expect("a URL"));
        request.headers_mut().insert(X_ID, id.into());
        if is_keyed(id) {
            request.headers_mut().insert("idempotency-key", format!("\"{id}\"").parse().expect("text"));
        }
        if id % 6 != 5 {
            *request.body_mut() = Some("order".into());
        }
        request
    };
    let statuses = storm(stack, request, reqwest::Response::status).await;
    let [_, _, posts] = check(&book, &statuses);
    targets.server.is_left_alone().await;
    (posts, followed(&book))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reqwest_sends_no_post_twice_that_may_have_been_acted_upon() {
    let (posts, followed) = reqwest_storm(reqwest_client(Version::Http1), Http::builder()).await;
    assert_eq!(posts, 0, "any of them may have been answered by a redirect");
    assert!(followed > 500, "{followed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reqwest_without_redirects_repeats_the_posts_that_were_turned_away_and_no_others() {
    let (posts, followed) = reqwest_storm(direct_client(Version::Http1), Http::builder().without_redirects()).await;
    assert_eq!(followed, 0);
    assert!(posts > 100, "{posts}");
}
