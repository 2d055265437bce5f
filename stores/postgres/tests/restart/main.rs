//! A server that is stopped and started again. A crate of its own: it has the server to itself while it runs.
//!
//! `WINDBREAK_POSTGRES_CTL` names a program that is `pg_ctl` for the server of `WINDBREAK_POSTGRES`, as `.ci/postgres` makes
//! it. Without one the test says that it was skipped; with `WINDBREAK_POSTGRES_REQUIRED=1` it fails instead.

#[path = "../store/server.rs"]
mod server;
#[path = "../../../support/mod.rs"]
mod support;

use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use windbreak::outbox::{ParkedHead, Relay, Store};
use windbreak::rules::ErrorsOnly;

use support::killed::audit;
use support::upstream::Upstream;
use support::{message, unique};

const MESSAGES: usize = 200;
const RESTARTS: usize = 3;

/// `pg_ctl` of the server. It waits until the server has done so.
struct Ctl(String);

impl Ctl {
    fn of_the_server() -> Option<Self> {
        let ctl = std::env::var("WINDBREAK_POSTGRES_CTL").ok().map(Self);
        if ctl.is_none() {
            let required = std::env::var("WINDBREAK_POSTGRES_REQUIRED").is_ok_and(|value| value == "1");
            assert!(!required, "WINDBREAK_POSTGRES_CTL names no program, and WINDBREAK_POSTGRES_REQUIRED is 1");
            let _ = writeln!(std::io::stderr(), "SKIPPED restart: WINDBREAK_POSTGRES_CTL names no program");
        }
        ctl
    }

    async fn run(&self, arguments: &'static [&'static str]) {
        let mut command = Command::new(&self.0);
        let running = tokio::task::spawn_blocking(move || command.args(arguments).status());
        let status = running.await.expect("it does not panic").expect("pg_ctl");
        assert!(status.success(), "pg_ctl {arguments:?}: {status}");
    }
}

/// Stopped as if it had crashed: it writes nothing down that is not written yet.
#[tokio::test]
async fn a_relay_goes_on_by_itself_when_the_server_is_back_and_nothing_is_lost() {
    let (Some(ctl), Some(schema)) = (Ctl::of_the_server(), server::schema().await) else { return };
    let store = schema.store().await;
    let ids: Vec<_> = (0..MESSAGES).map(|place| format!("{}/{place}", place % 5)).collect();
    let mut client = schema.client().await;
    let tx = client.transaction().await.unwrap();
    for id in &ids {
        store.insert_in(&tx, &message(id)).await.unwrap();
    }
    tx.commit().await.unwrap();

    let file = std::env::temp_dir().join(format!("windbreak-postgres-{}", unique()));
    let relay = Relay::builder("restart", store.clone(), Upstream::open(&file, Duration::from_millis(10)), ErrorsOnly)
        .timeout(Duration::from_millis(500))
        .poll_every(Duration::from_millis(20))
        .build()
        .unwrap();
    let handle = relay.handle();
    let done_by = async |count: usize| {
        let patience = Instant::now() + Duration::from_secs(30);
        while handle.delivered() < count as u64 {
            assert!(Instant::now() < patience, "{} of {count} are delivered", handle.delivered());
            sleep(Duration::from_millis(2)).await;
        }
    };
    let restarts = async {
        for restart in 1..=RESTARTS {
            done_by(restart * MESSAGES / (RESTARTS + 2)).await;
            let failures = handle.store_failures();
            ctl.run(&["-m", "immediate", "stop"]).await;
            sleep(Duration::from_millis(300)).await;
            assert!(handle.store_failures() > failures, "it met the server gone");
            ctl.run(&["start"]).await;
        }
        // What the server had written down when it was stopped, and the relay did not hear of, is done and not counted.
        let patience = Instant::now() + Duration::from_secs(30);
        while !matches!(store.next_due(ParkedHead::Blocks).await, Ok(None)) {
            assert!(Instant::now() < patience, "something is left");
            sleep(Duration::from_millis(20)).await;
        }
    };
    relay.run(restarts).await;
    let accepted = Upstream::accepted(&file);
    let _ = std::fs::remove_file(&file);
    audit(&accepted, &ids);
    assert_eq!((store.parked(0, 10).await.unwrap().len(), handle.retried()), (0, 0));
}
