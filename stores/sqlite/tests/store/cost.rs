//! What a claim costs, by the steps of SQLite's own machine: the same whatever waits.

use std::time::Duration;

use windbreak::outbox::sqlite::{CLAIM, NEXT_DUE};
use windbreak::outbox::{ParkedHead, Store};
use windbreak_sqlite::rusqlite::types::ToSql;
use windbreak_sqlite::rusqlite::{Connection, StatementStatus, params};

use crate::files::Folder;
use crate::support::backlog::{cases, claimable};

/// Whether parked messages are stepped over; and topic, state and seconds until it is due, of the message `n` of `?1`.
const SHAPES: [(&str, bool, &str); 9] = [
    ("a topic each", false, "n, 'waiting', -9"),
    ("half leased", false, "n, iif(n % 2, 'claimed', 'waiting'), iif(n % 2, 9, -9)"),
    ("half parked", false, "n, iif(n % 2, 'parked', 'waiting'), -9"),
    ("half later", false, "n, 'waiting', iif(n % 2, 9, -9)"),
    ("one topic", false, "'a', 'waiting', -9"),
    ("one topic, its head leased", false, "'a', iif(n = 1, 'claimed', 'waiting'), iif(n = 1, 9, -9)"),
    ("one topic, its head later", false, "'a', 'waiting', iif(n = 1, 9, -9)"),
    ("one topic, half parked", false, "'a', iif(n <= ?1 / 2, 'parked', 'waiting'), -9"),
    ("one topic, half parked and stepped over", true, "'a', iif(n <= ?1 / 2, 'parked', 'waiting'), -9"),
];

fn fill(connection: &Connection, shape: &str, all: i64) {
    let sql = format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1),
         m (n, topic, state, due) AS (SELECT n, {shape} FROM n)
         INSERT INTO outbox_messages (queue, id, topic, payload, state, due)
         SELECT '', n, topic, x'', state, CAST(unixepoch('subsec') * 1000 AS INTEGER) + due * 1000 + n / 100 FROM m"
    );
    connection.execute(&sql, [all]).expect("messages");
}

/// Steps, and how many rows it returned.
fn steps(connection: &Connection, sql: &str, values: &[&dyn ToSql]) -> (i32, usize) {
    let mut statement = connection.prepare(sql).expect("a statement");
    let mut rows = statement.query(values).expect("a query");
    let mut returned = 0;
    while rows.next().expect("a row").is_some() {
        returned += 1;
    }
    drop(rows);
    (statement.get_status(StatementStatus::VmStep), returned)
}

#[test]
fn a_claim_takes_as_many_steps_whatever_waits() {
    for (name, steps_over, shape) in SHAPES {
        let cost = |all| {
            let folder = Folder::new();
            drop(folder.store());
            let connection = folder.connection();
            fill(&connection, shape, all);
            let next_due = steps(&connection, NEXT_DUE, params!["", steps_over]);
            let claim = steps(&connection, CLAIM, params!["", 4, 60_000, steps_over]);
            (next_due, claim)
        };
        let ((few_next, few_claim), (many_next, many_claim)) = (cost(1_000), cost(20_000));
        assert_eq!((few_next.1, few_claim.1), (many_next.1, many_claim.1), "{name}: rows");
        for (few, many) in [(few_next.0, many_next.0), (few_claim.0, many_claim.0)] {
            assert!(many <= few + few / 10 && many < 20_000, "{name}: {few} steps for 1,000, {many} for 20,000");
        }
    }
}

#[tokio::test]
async fn a_claim_returns_what_it_must_whichever_way_it_looks() {
    let folder = Folder::new();
    let store = folder.store();
    let mut connection = folder.connection();
    for (name, rows, limit, steps_over) in cases() {
        let tx = connection.transaction().unwrap();
        for row in &rows {
            tx.execute(
                "INSERT INTO outbox_messages (queue, id, topic, payload, state, due)
                 VALUES (?1, ?2, ?3, x'', ?4, CAST(unixepoch('subsec') * 1000 AS INTEGER) + ?5 * 1000)",
                params![name, row.id, row.topic, row.state, row.due_in_seconds],
            )
            .unwrap();
        }
        tx.commit().unwrap();
        let store = store.queue(&*name);
        let parked = if steps_over { ParkedHead::IsSteppedOver } else { ParkedHead::Blocks };
        let mut expected = claimable(&rows, limit, steps_over);
        let is_due = store.next_due(parked).await.unwrap() == Some(Duration::ZERO);
        assert_eq!(is_due, !expected.is_empty(), "{name}");
        let claimed = store.claim(limit, Duration::from_secs(60), parked).await.unwrap();
        let mut claimed: Vec<_> = claimed.into_iter().map(|claimed| claimed.message.id).collect();
        claimed.sort_unstable();
        expected.sort_unstable();
        assert_eq!(claimed, expected, "{name}");
    }
}

#[tokio::test]
async fn a_file_without_the_index_of_what_waits_works_and_gets_it_when_it_is_opened() {
    let folder = Folder::new();
    let (store, connection) = (folder.store(), folder.connection());
    connection.execute_batch("DROP INDEX outbox_messages_waiting").unwrap();
    fill(&connection, "'a', 'waiting', -9", 1_000);
    let claimed = store.claim(10, Duration::from_secs(60), ParkedHead::Blocks).await.unwrap();
    assert_eq!(claimed[0].message.id, "1");
    drop(folder.store());
    let sql = "SELECT count(*) FROM sqlite_schema WHERE name = 'outbox_messages_waiting'";
    assert_eq!(connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
}
