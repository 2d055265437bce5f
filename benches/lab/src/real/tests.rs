use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper::client::conn::http2::handshake;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tower::ServiceExt as _;

use super::clients::{Protocol, client};
use super::ledger::Ledger;
use super::listen::listen;
use super::relay::relay;
use super::server::{Conduct, Server, until_next};
use super::upstream::Kind;
use super::{http2, program, scenes};
use crate::setups::{Setup, Told};
use crate::upstream::Schedule;

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn get(address: std::net::SocketAddr) -> Request<Bytes> {
    Request::get(format!("http://{address}/")).body(Bytes::new()).unwrap()
}

#[tokio::test]
async fn every_client_gets_a_response_and_its_attempt_is_counted() {
    for protocol in [Protocol::Http1, Protocol::Http2, Protocol::Http2Unpinged] {
        for setup in Setup::REAL {
            let ledger = Ledger::new();
            let kind = if protocol == Protocol::Http1 {
                Kind::Http1(Conduct::Well)
            } else {
                Kind::Http2 { reload: None, down: None }
            };
            let upstream = kind.start(1.0, &ledger).await.unwrap();
            let client = client(setup, protocol, &ledger, 1).unwrap();
            let request = Request::post(&upstream.url).header("x-id", 7).body(Bytes::new()).unwrap();
            assert_eq!(client.oneshot(request).await, Ok(true), "{setup:?}, {protocol:?}");
            let counts = ledger.counts();
            let counted = (counts.attempts.len(), counts.in_flight, counts.effects[&7]);
            assert_eq!(counted, (1, 0, 1), "{setup:?}, {protocol:?}");
        }
    }
}

#[tokio::test]
async fn a_silent_connection_stays_open_and_a_new_one_is_well() {
    let ledger = Ledger::new();
    let echo = |mut stream: TcpStream| async move {
        let (mut read, mut write) = stream.split();
        drop(tokio::io::copy(&mut read, &mut write).await);
    };
    let server = listen(None, Arc::clone(&ledger), echo).await.unwrap();
    let relay = relay(server.address, millis(300), Arc::clone(&ledger)).await.unwrap();
    let mut old = TcpStream::connect(relay.address).await.unwrap();
    old.write_all(b"a").await.unwrap();
    assert_eq!(old.read_u8().await.unwrap(), b'a');
    sleep(until_next(millis(300), ledger.now()) + millis(30)).await;
    old.write_all(b"b").await.unwrap();
    assert!(timeout(millis(100), old.read_u8()).await.is_err(), "neither a byte nor an end");
    let mut new = TcpStream::connect(relay.address).await.unwrap();
    new.write_all(b"c").await.unwrap();
    assert_eq!(new.read_u8().await.unwrap(), b'c');
}

#[tokio::test]
async fn a_server_that_is_down_refuses_and_comes_back() {
    let ledger = Ledger::new();
    let down = Schedule::Once { from: millis(200), length: millis(400) };
    let server = Server::start(Conduct::Well, Some(down), Arc::clone(&ledger)).await.unwrap();
    let client = client(Setup::Bare, Protocol::Http1, &ledger, 1).unwrap();
    let ask = || client.clone().oneshot(get(server.address()));
    assert_eq!(ask().await, Ok(true));
    sleep(millis(350).saturating_sub(ledger.now())).await;
    assert_eq!(ask().await, Err(Told::Failed));
    sleep(millis(700).saturating_sub(ledger.now())).await;
    assert_eq!(ask().await, Ok(true));
}

#[tokio::test]
async fn a_server_that_goes_away_ends_its_connections_and_takes_new_ones() {
    let ledger = Ledger::new();
    let server = http2::server(Some(millis(200)), None, Arc::clone(&ledger)).await.unwrap();
    for _ in 0..2 {
        let stream = TokioIo::new(TcpStream::connect(server.address).await.unwrap());
        let (mut sender, connection) = handshake(TokioExecutor::new(), stream).await.unwrap();
        let connection = tokio::spawn(connection);
        let response = sender.send_request(get(server.address).map(Full::new)).await.unwrap();
        assert!(response.status().is_success());
        timeout(millis(500), connection).await.expect("it is told to go away").unwrap().unwrap();
    }
}

#[test]
fn a_program_is_found_by_its_name_alone() {
    assert!(program::find("sh").is_some());
    assert!(program::find("there-is-no-such-program").is_none());
}

#[test]
fn no_two_scenes_have_one_name() {
    let mut names: Vec<_> = scenes::all().iter().map(|scene| scene.scenario().title()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), scenes::all().len());
}
