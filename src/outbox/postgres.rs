//! The schema and the statements for PostgreSQL, as the crate `windbreak-postgres` runs them.
//!
//! They are public, so that whoever migrates the database, looks at what is in it, or writes another store for it, knows what
//! is there. Rows are claimed by their state, never by a position that was reached: a row whose transaction commits late
//! is found like any other.
//!
//! | column | what it holds |
//! |---|---|
//! | `place` | the order of insertion; never used again |
//! | `queue` | which outbox of those in this table; each has ids, topics and relays of its own |
//! | `id`, `topic`, `payload` | the [`Message`](crate::outbox::Message) |
//! | `state` | `waiting`, `claimed`, `parked` or `done` |
//! | `due` | when it may be claimed; of a claimed one, when its lease runs out; of a parked or done one, since when it is that |
//! | `attempts` | how many attempts failed |
//! | `claims` | how many times it was claimed: with `place` the fence |
//! | `lapses` | how many claims in a row ran out unsettled |
//! | `reason` | why it was parked, or is delivered again |
//!
//! That at most one message of a topic is in flight is also an index, `outbox_messages_in_flight`: the database itself
//! refuses a second one.
//!
//! # What a claim looks at
//!
//! 1. It looks at what fell due first: a hundred messages more than it is to claim. Mostly these are enough.
//! 2. Where they are not, because too many of them wait behind others of their topics, it goes along the index
//!    `outbox_messages_waiting` from the first waiting message of one topic to that of the next, past all that is between
//!    them. So it costs no more if 100,000 wait in one topic.
//! 3. Where more than a thousand topics have a message waiting, it looks at all that is due, one after the other, until it has
//!    enough. Only then the cost grows with what waits, by a microsecond or two for each message that is held up.
//!
//! A table that was made before that index was: run [`SCHEMA`] again, as `PostgresStore::create_table` does, or, where the
//! table is large and must be written to meanwhile, `CREATE INDEX CONCURRENTLY` first. No row is changed; until then all is
//! claimed as well, only slower.

use super::next::is_next;

/// The first waiting message of each topic, one after the other, up to a thousand, if `condition` holds.
macro_rules! heads {
    ($condition:literal) => {
        concat!(
            "walk AS (
    (SELECT m.ctid AS row, m.topic, m.place, m.due FROM outbox_messages AS m
     WHERE m.queue = $1 AND m.state = 'waiting' AND ",
            $condition,
            "
     ORDER BY m.topic, m.place LIMIT 1)
    UNION ALL
    SELECT n.row, n.topic, n.place, n.due FROM walk CROSS JOIN LATERAL (
        SELECT m.ctid AS row, m.topic, m.place, m.due FROM outbox_messages AS m
        WHERE m.queue = $1 AND m.state = 'waiting' AND m.topic > walk.topic
        ORDER BY m.topic, m.place LIMIT 1) AS n),
heads AS MATERIALIZED (SELECT * FROM walk LIMIT 1000)"
        )
    };
}

/// The table and its indexes, where they are missing. PostgreSQL 12 or later.
///
/// `place` has no index of its own: the planner would walk along it, past all that is done, to find the first of a topic.
pub const SCHEMA: &str = "\
CREATE TABLE IF NOT EXISTS outbox_messages (
    place BIGINT GENERATED ALWAYS AS IDENTITY,
    queue TEXT NOT NULL,
    id TEXT NOT NULL,
    topic TEXT NOT NULL,
    payload BYTEA NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'claimed', 'parked', 'done')),
    due TIMESTAMPTZ NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    claims BIGINT NOT NULL DEFAULT 0,
    lapses BIGINT NOT NULL DEFAULT 0,
    reason TEXT,
    PRIMARY KEY (queue, id)
);
CREATE INDEX IF NOT EXISTS outbox_messages_due ON outbox_messages (queue, state, due, place);
CREATE INDEX IF NOT EXISTS outbox_messages_topic ON outbox_messages (queue, topic, place) WHERE state <> 'done';
CREATE UNIQUE INDEX IF NOT EXISTS outbox_messages_in_flight ON outbox_messages (queue, topic) WHERE state = 'claimed';
CREATE INDEX IF NOT EXISTS outbox_messages_waiting ON outbox_messages (queue, state, topic, place)
    WHERE state <> 'done';
";

/// Inserts a message, unless its id is there: then it changes no row. Queue, id, topic, payload, seconds until it is due
/// (`float8`, as all that follow).
pub const INSERT: &str = "\
INSERT INTO outbox_messages (queue, id, topic, payload, due)
VALUES ($1, $2, $3, $4, statement_timestamp() + make_interval(secs => $5))
ON CONFLICT (queue, id) DO NOTHING";

/// Claims. Queue, limit, seconds of the lease, whether parked messages are stepped over. Returns id, topic, payload,
/// attempts, claim number, lapses.
///
/// The claim number is that of the place, times 2^20, plus that of the claims: a place does not come again, and so neither
/// does a number where an id does, once its message was deleted.
///
/// Of two claims at the same moment, one may break the index `outbox_messages_in_flight` (`23505`): it is to be repeated.
pub const CLAIM: &str = concat!(
    "\
WITH RECURSIVE lapsed AS (
    SELECT m.id, m.due, m.place FROM outbox_messages AS m
    WHERE m.queue = $1 AND m.state = 'claimed' AND m.due <= statement_timestamp()
    ORDER BY m.due, m.place LIMIT $2
    FOR UPDATE OF m SKIP LOCKED),
bound AS MATERIALIZED (
    SELECT m.due, m.place FROM outbox_messages AS m
    WHERE m.queue = $1 AND m.state = 'waiting' AND m.due <= statement_timestamp()
    ORDER BY m.due, m.place OFFSET least($2, 1000000) + 99 LIMIT 1),
ready AS MATERIALIZED (
    SELECT m.id, m.due, m.place FROM outbox_messages AS m
    WHERE m.queue = $1 AND m.state = 'waiting'
      AND (m.due, m.place) <= (coalesce((SELECT due FROM bound), statement_timestamp()),
                               coalesce((SELECT place FROM bound), 9223372036854775807))
      AND ",
    is_next!("$1", "m", "$4"),
    "
    ORDER BY m.due, m.place LIMIT $2
    FOR UPDATE OF m SKIP LOCKED),
",
    heads!(
        "(SELECT count(*) FROM ready) < least($2, 1000000)
       AND EXISTS (SELECT FROM bound)"
    ),
    ",
far AS (
    SELECT m.id, m.due, m.place FROM outbox_messages AS m
    WHERE CASE WHEN m.state = 'waiting' THEN m.due <= statement_timestamp() ELSE FALSE END
      AND m.ctid = ANY (ARRAY (
        SELECT heads.row FROM heads
        WHERE (SELECT count(*) FROM heads) < 1000 AND heads.due <= statement_timestamp()
          AND ",
    is_next!("$1", "heads", "$4"),
    "))
    ORDER BY m.due, m.place LIMIT $2
    FOR UPDATE OF m SKIP LOCKED),
rest AS (
    SELECT m.id, m.due, m.place FROM outbox_messages AS m
    WHERE (SELECT count(*) FROM heads) = 1000
      AND m.queue = $1 AND m.state = 'waiting' AND m.due <= statement_timestamp()
      AND ",
    is_next!("$1", "m", "$4"),
    "
    ORDER BY m.due, m.place LIMIT $2
    FOR UPDATE OF m SKIP LOCKED),
due AS (
    SELECT id FROM (
        SELECT * FROM lapsed UNION SELECT * FROM ready UNION SELECT * FROM far UNION SELECT * FROM rest) AS any_of_them
    ORDER BY due, place LIMIT $2)
UPDATE outbox_messages AS m
SET state = 'claimed',
    due = statement_timestamp() + make_interval(secs => $3),
    claims = m.claims + 1,
    lapses = CASE m.state WHEN 'claimed' THEN m.lapses + 1 ELSE 0 END
FROM due WHERE m.queue = $1 AND m.id = due.id
RETURNING m.id, m.topic, m.payload, m.attempts, m.place * 1048576 + m.claims, m.lapses"
);

/// Settles a claim, if it holds; otherwise it changes no row. Queue, id, claim number, the new state, seconds until it is due,
/// and, or NULL to leave them as they are, attempts and reason.
pub const SETTLE: &str = "\
UPDATE outbox_messages
SET state = $4,
    due = statement_timestamp() + make_interval(secs => $5),
    attempts = coalesce($6, attempts),
    reason = coalesce($7, reason),
    lapses = 0
WHERE queue = $1 AND id = $2 AND place * 1048576 + claims = $3 AND state = 'claimed'";

/// Seconds until the next message can be claimed (`float8`), or no row. Queue, whether parked messages are stepped over.
pub const NEXT_DUE: &str = concat!(
    "\
WITH RECURSIVE bound AS MATERIALIZED (
    SELECT m.due, m.place FROM outbox_messages AS m
    WHERE m.queue = $1 AND m.state = 'waiting'
    ORDER BY m.due, m.place OFFSET 99 LIMIT 1),
ready AS MATERIALIZED (
    SELECT m.due FROM outbox_messages AS m
    WHERE m.queue = $1 AND m.state = 'waiting'
      AND (m.due, m.place) <= (coalesce((SELECT due FROM bound), 'infinity'),
                               coalesce((SELECT place FROM bound), 9223372036854775807))
      AND ",
    is_next!("$1", "m", "$2"),
    "
    ORDER BY m.due, m.place LIMIT 1),
",
    heads!("NOT EXISTS (SELECT FROM ready) AND EXISTS (SELECT FROM bound)"),
    "
SELECT greatest(0, extract(epoch FROM next.due - statement_timestamp()))::float8 FROM (
    (SELECT m.due FROM outbox_messages AS m
     WHERE m.queue = $1 AND m.state = 'claimed'
     ORDER BY m.due LIMIT 1)
    UNION ALL
    SELECT ready.due FROM ready
    UNION ALL
    SELECT heads.due FROM heads
    WHERE (SELECT count(*) FROM heads) < 1000
      AND ",
    is_next!("$1", "heads", "$2"),
    "
    UNION ALL
    (SELECT m.due FROM outbox_messages AS m
     WHERE (SELECT count(*) FROM heads) = 1000
       AND m.queue = $1 AND m.state = 'waiting'
       AND ",
    is_next!("$1", "m", "$2"),
    "
     ORDER BY m.due, m.place LIMIT 1)
) AS next ORDER BY next.due LIMIT 1"
);

/// Parked messages. Queue, limit, offset. Returns id, topic, payload, attempts, reason.
pub const PARKED: &str = "\
SELECT id, topic, payload, attempts, coalesce(reason, '') FROM outbox_messages
WHERE queue = $1 AND state = 'parked' ORDER BY place LIMIT $2 OFFSET $3";

/// Unparks a message, if it is parked; otherwise it changes no row. Queue, id.
pub const UNPARK: &str = "\
UPDATE outbox_messages SET state = 'waiting', attempts = 0, due = statement_timestamp()
WHERE queue = $1 AND id = $2 AND state = 'parked'";

/// Deletes messages that are done. Queue, for how many seconds at least, limit.
pub const DELETE_DONE: &str = "\
DELETE FROM outbox_messages WHERE queue = $1 AND id IN (
    SELECT id FROM outbox_messages
    WHERE queue = $1 AND state = 'done' AND due <= statement_timestamp() - make_interval(secs => $2)
    ORDER BY due LIMIT $3
    FOR UPDATE SKIP LOCKED)";
