//! A process that is killed at any moment, again and again: nothing is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use windbreak::outbox::{Relay, Store};
use windbreak::rules::ErrorsOnly;

use super::upstream::Upstream;

/// Where the child finds its upstream's file. The test that is its program does nothing without.
const FILE: &str = "WINDBREAK_TEST_UPSTREAM";

/// Which database the child opens.
const DATABASE: &str = "WINDBREAK_TEST_DATABASE";

const KILLS: u32 = 15;

/// What a child is told, in a child.
pub(crate) fn orders() -> Option<(PathBuf, String)> {
    let file = std::env::var_os(FILE)?;
    Some((file.into(), std::env::var(DATABASE).expect("a child knows its database")))
}

fn relay<St: Store>(store: St, file: &Path) -> Relay<St, Upstream, ErrorsOnly> {
    Relay::builder("killed", store, Upstream::open(file, Duration::from_millis(4)), ErrorsOnly)
        .topics_at_once(4)
        .timeout(Duration::from_millis(150))
        .poll_every(Duration::from_millis(5))
        .max_lapses(1_000)
        .keep_done_for(Duration::MAX)
        .build()
        .expect("a relay")
}

/// The program of the child: it delivers what there is, and is killed meanwhile.
pub(crate) async fn work<St: Store + 'static>(store: St, file: &Path) {
    relay(store, file).run(sleep(Duration::from_secs(30))).await;
}

/// Runs `test` of this same program as a child.
fn child(test: &str, file: &Path, database: &str) -> Child {
    let program = std::env::current_exe().expect("this program");
    Command::new(program)
        .args([test, "--exact", "--test-threads=1"])
        .env(FILE, file)
        .env(DATABASE, database)
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("a child")
}

/// Kills children that run `test` until enough is done; then delivers the rest. `ids` are all messages, in the order in
/// which they were committed.
pub(crate) async fn kill_and_audit<St: Store + 'static>(
    test: &str,
    file: &Path,
    database: &str,
    store: St,
    ids: &[String],
) {
    let mut accepted = 0;
    let mut kills_that_met_it_at_work = 0;
    for kill in 0..KILLS {
        let mut child = child(test, file, database);
        // Not before it has begun; then at a moment that differs from kill to kill.
        let patience = Instant::now() + Duration::from_secs(10);
        while Upstream::accepted(file).len() == accepted && Instant::now() < patience {
            sleep(Duration::from_millis(1)).await;
        }
        sleep(Duration::from_micros(u64::from(kill * 7_919 % 11_000))).await;
        child.kill().expect("it is killed");
        child.wait().expect("it is dead");
        let now = Upstream::accepted(file).len();
        kills_that_met_it_at_work += u32::from(now > accepted && now < ids.len());
        accepted = now;
    }
    assert!(kills_that_met_it_at_work >= KILLS / 2, "killed at work only {kills_that_met_it_at_work} times");

    let relay = relay(store, file);
    let handle = relay.handle();
    let all: BTreeSet<_> = ids.iter().cloned().collect();
    let patience = Instant::now() + Duration::from_secs(30);
    let is_done = async {
        while Upstream::accepted(file).into_iter().collect::<BTreeSet<_>>() != all && Instant::now() < patience {
            sleep(Duration::from_millis(5)).await;
        }
    };
    relay.run(is_done).await;
    audit(&Upstream::accepted(file), ids);
    assert!(handle.delivered() > 0, "there was something left to do after the last kill");
}

/// Everything came, and the first deliveries of each topic are in its order.
pub(crate) fn audit(accepted: &[String], ids: &[String]) {
    let mut first = BTreeSet::new();
    let mut topics: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for id in accepted {
        let topic = id.split('/').next().expect("a topic");
        if first.insert(id.as_str()) {
            topics.entry(topic).or_default().push(id);
        }
        let last = topics[topic].last().expect("one came");
        assert_eq!(id, last, "a repeat comes before the next of its topic");
    }
    let mut expected: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for id in ids {
        expected.entry(id.split('/').next().expect("a topic")).or_default().push(id);
    }
    for (topic, expected) in expected {
        let came = topics.remove(topic).unwrap_or_default();
        let differs = came.iter().zip(&expected).position(|(came, expected)| came != expected);
        assert_eq!((came.len(), differs), (expected.len(), None), "topic {topic}: came, and where it differs");
    }
    let repeats = accepted.len() - ids.len();
    // Each kill can repeat what was in flight, and no more.
    assert!(repeats <= 4 * KILLS as usize, "{repeats} repeats");
    println!("{} messages, {KILLS} kills, {repeats} repeats", ids.len());
}
