//! What a claim costs, by the rows that PostgreSQL itself says it went through: few, whatever waits.

use std::time::Duration;

use windbreak::outbox::postgres::{CLAIM, NEXT_DUE};
use windbreak::outbox::{ParkedHead, Store};
use windbreak_postgres::tokio_postgres::Client;
use windbreak_postgres::tokio_postgres::types::{ToSql, Type};

use crate::server::schema;
use crate::support::backlog::{Row, cases, claimable};

/// Whether parked messages are stepped over; and topic, state and seconds until it is due, of the message `n` of `$1`.
const SHAPES: [(&str, bool, &str); 9] = [
    ("a topic each", false, "n::text, 'waiting', -9"),
    (
        "half leased",
        false,
        "n::text, CASE n % 2 WHEN 0 THEN 'claimed' ELSE 'waiting' END, CASE n % 2 WHEN 0 THEN 9 ELSE -9 END",
    ),
    ("half parked", false, "n::text, CASE n % 2 WHEN 0 THEN 'parked' ELSE 'waiting' END, -9"),
    ("half later", false, "n::text, 'waiting', CASE n % 2 WHEN 0 THEN 9 ELSE -9 END"),
    ("one topic", false, "'a', 'waiting', -9"),
    (
        "one topic, its head leased",
        false,
        "'a', CASE n WHEN 1 THEN 'claimed' ELSE 'waiting' END, CASE n WHEN 1 THEN 9 ELSE -9 END",
    ),
    ("one topic, its head later", false, "'a', 'waiting', CASE n WHEN 1 THEN 9 ELSE -9 END"),
    ("one topic, half parked", false, "'a', CASE WHEN n <= $1 / 2 THEN 'parked' ELSE 'waiting' END, -9"),
    (
        "one topic, half parked and stepped over",
        true,
        "'a', CASE WHEN n <= $1 / 2 THEN 'parked' ELSE 'waiting' END, -9",
    ),
];

async fn fill(client: &Client, shape: &str, all: i32) {
    let sql = format!(
        "INSERT INTO outbox_messages (queue, id, topic, payload, state, due)
         SELECT '', m.n::text, m.topic, '', m.state, now() + make_interval(secs => m.due + m.n * 1e-6)
         FROM (SELECT n, {shape} FROM generate_series(1, $1) AS n) AS m (n, topic, state, due) ORDER BY m.n"
    );
    client.execute_typed(&sql, &[(&all, Type::INT4)]).await.expect("messages");
}

/// What stands before the first character that is no digit, behind `label`.
fn number(line: &str, label: &str) -> Option<u64> {
    let (_, rest) = line.split_once(label)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// The rows that all parts of the plan returned, or looked at and dropped.
async fn visited(client: &Client, sql: &str, values: &[(&(dyn ToSql + Sync), Type)]) -> u64 {
    let explain = format!("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {sql}");
    let (mut visited, mut loops) = (0, 1);
    for row in client.query_typed(&explain, values).await.expect("a plan") {
        let line: String = row.get(0);
        if let Some(rows) = number(&line, "(actual rows=") {
            loops = number(&line, "loops=").expect("loops");
            visited += rows * loops;
        } else if line.contains("Rows Removed by") {
            visited += number(&line, ": ").expect("rows") * loops;
        }
    }
    visited
}

#[tokio::test]
async fn a_claim_goes_through_few_rows_whatever_waits() {
    const WAITING: i32 = 20_000;
    for (name, steps_over, shape) in SHAPES {
        // Statistics are old, or none, until the server makes new ones.
        for analyze in [false, true] {
            if name == "half leased" && !analyze {
                // Nobody has thousands of leases at once before that; it sorts them.
                continue;
            }
            let Some(schema) = schema().await else { return };
            schema.store().await;
            let client = schema.client().await;
            fill(&client, shape, WAITING).await;
            client.batch_execute(if analyze { "ANALYZE outbox_messages" } else { "" }).await.unwrap();
            let claim: [(&(dyn ToSql + Sync), Type); 4] =
                [(&"", Type::TEXT), (&4_i64, Type::INT8), (&60_f64, Type::FLOAT8), (&steps_over, Type::BOOL)];
            let next_due: [(&(dyn ToSql + Sync), Type); 2] = [(&"", Type::TEXT), (&steps_over, Type::BOOL)];
            let by_next_due = visited(&client, NEXT_DUE, &next_due).await;
            let by_claim = visited(&client, CLAIM, &claim).await;
            assert!(by_next_due > 0 && by_claim > 0, "{name}: the plan has no rows");
            assert!(
                by_next_due < 1_000 && by_claim < 1_000,
                "{name}, analyzed {analyze}: {by_next_due} rows for the next due, {by_claim} for a claim"
            );
        }
    }
}

async fn insert(client: &Client, queue: &str, rows: &[Row]) {
    let all = |column: fn(&Row) -> &str| rows.iter().map(column).collect::<Vec<_>>();
    let due: Vec<_> = rows.iter().map(|row| row.due_in_seconds).collect();
    let sql = "INSERT INTO outbox_messages (queue, id, topic, payload, state, due)
        SELECT $1, m.id, m.topic, '', m.state, now() + make_interval(secs => m.due)
        FROM unnest($2::text[], $3::text[], $4::text[], $5::int8[]) WITH ORDINALITY AS m (id, topic, state, due, n)
        ORDER BY m.n";
    let (ids, topics, states) = (all(|row| &row.id), all(|row| &row.topic), all(|row| row.state));
    client.execute(sql, &[&queue, &ids, &topics, &states, &due]).await.expect("messages");
}

#[tokio::test]
async fn a_claim_returns_what_it_must_whichever_way_it_looks() {
    let Some(schema) = schema().await else { return };
    let store = schema.store().await;
    let client = schema.client().await;
    for (name, rows, limit, steps_over) in cases() {
        insert(&client, &name, &rows).await;
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
