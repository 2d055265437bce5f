//! The schema and the statements for SQLite, as the crate `windbreak-sqlite` runs them.
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
//! | `due` | when it may be claimed; of a claimed one, when its lease runs out; of a parked or done one, since when it is that; in milliseconds since 1970 |
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
//! A table that was made before that index was: run [`SCHEMA`] again, as [`SqliteStore::open`] does. It makes the index from
//! what waits, and changes no row; until then all is claimed as well, only slower.
//!
//! [`SqliteStore::open`]: https://docs.rs/windbreak-sqlite/latest/windbreak_sqlite/struct.SqliteStore.html#method.open

use super::next::is_next;

/// The first waiting message of each topic, one after the other, up to a thousand, if `condition` holds.
macro_rules! heads {
    ($condition:literal) => {
        concat!(
            "heads (place) AS (
    SELECT (SELECT m.place FROM outbox_messages AS m WHERE m.queue = ?1 AND m.state = 'waiting'
            ORDER BY m.topic, m.place LIMIT 1)
    WHERE ",
            $condition,
            "
    UNION ALL
    SELECT (SELECT n.place FROM outbox_messages AS n
            WHERE n.queue = ?1 AND n.state = 'waiting' AND n.topic > m.topic
            ORDER BY n.topic, n.place LIMIT 1)
    FROM heads CROSS JOIN outbox_messages AS m ON m.place = heads.place
    LIMIT 1000)"
        )
    };
}

/// The table and its indexes, where they are missing. SQLite 3.42 or later.
pub const SCHEMA: &str = "\
CREATE TABLE IF NOT EXISTS outbox_messages (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    id TEXT NOT NULL,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'claimed', 'parked', 'done')),
    due INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    claims INTEGER NOT NULL DEFAULT 0,
    lapses INTEGER NOT NULL DEFAULT 0,
    reason TEXT,
    UNIQUE (queue, id)
) STRICT;
CREATE INDEX IF NOT EXISTS outbox_messages_due ON outbox_messages (queue, state, due, place);
CREATE INDEX IF NOT EXISTS outbox_messages_topic ON outbox_messages (queue, topic, place) WHERE state <> 'done';
CREATE UNIQUE INDEX IF NOT EXISTS outbox_messages_in_flight ON outbox_messages (queue, topic) WHERE state = 'claimed';
CREATE INDEX IF NOT EXISTS outbox_messages_waiting ON outbox_messages (queue, topic, place) WHERE state = 'waiting';
";

/// Inserts a message, unless its id is there: then it changes no row. Queue, id, topic, payload, milliseconds until it is
/// due.
pub const INSERT: &str = "\
INSERT INTO outbox_messages (queue, id, topic, payload, due)
VALUES (?1, ?2, ?3, ?4, CAST(unixepoch('subsec') * 1000 AS INTEGER) + ?5)
ON CONFLICT (queue, id) DO NOTHING";

/// Claims. Queue, limit, milliseconds of the lease, whether parked messages are stepped over. Returns id, topic, payload,
/// attempts, claim number, lapses.
///
/// The claim number is that of the place, times 2^20, plus that of the claims: a place does not come again, and so neither
/// does a number where an id does, once its message was deleted.
pub const CLAIM: &str = concat!(
    "\
WITH RECURSIVE bound (due, place) AS MATERIALIZED (
    SELECT due, place FROM outbox_messages
    WHERE queue = ?1 AND state = 'waiting' AND due <= CAST(unixepoch('subsec') * 1000 AS INTEGER)
    ORDER BY due, place LIMIT 1 OFFSET min(?2, 1000000) + 99),
ready (place, due) AS MATERIALIZED (
    SELECT m.place, m.due FROM outbox_messages AS m
    WHERE m.queue = ?1 AND m.state = 'waiting'
      AND (m.due, m.place) <= (coalesce((SELECT due FROM bound), CAST(unixepoch('subsec') * 1000 AS INTEGER)),
                               coalesce((SELECT place FROM bound), 9223372036854775807))
      AND ",
    is_next!("?1", "m", "?4"),
    "
    ORDER BY m.due, m.place LIMIT ?2),
",
    heads!(
        "(SELECT count(*) FROM ready) < min(?2, 1000000)
      AND EXISTS (SELECT 1 FROM bound)"
    ),
    "
UPDATE outbox_messages
SET state = 'claimed',
    due = CAST(unixepoch('subsec') * 1000 AS INTEGER) + ?3,
    claims = claims + 1,
    lapses = CASE state WHEN 'claimed' THEN lapses + 1 ELSE 0 END
WHERE place IN (
    SELECT place FROM (
        SELECT place, due FROM (
            SELECT place, due FROM outbox_messages
            WHERE queue = ?1 AND state = 'claimed' AND due <= CAST(unixepoch('subsec') * 1000 AS INTEGER)
            ORDER BY due, place LIMIT ?2)
        UNION SELECT place, due FROM ready
        UNION SELECT m.place, m.due FROM heads CROSS JOIN outbox_messages AS m ON m.place = heads.place
            WHERE (SELECT count(*) FROM heads) < 1000 AND m.due <= CAST(unixepoch('subsec') * 1000 AS INTEGER)
              AND ",
    is_next!("?1", "m", "?4"),
    "
        UNION SELECT place, due FROM (
            SELECT m.place, m.due FROM outbox_messages AS m
            WHERE m.queue = ?1 AND m.state = 'waiting' AND m.due <= CAST(unixepoch('subsec') * 1000 AS INTEGER)
              AND ",
    is_next!("?1", "m", "?4"),
    "
            ORDER BY m.due, m.place LIMIT iif((SELECT count(*) FROM heads) = 1000, ?2, 0)))
    ORDER BY due, place LIMIT ?2)
RETURNING id, topic, payload, attempts, abs(place) * 1048576 + claims, lapses"
);

/// Settles a claim, if it holds; otherwise it changes no row. Queue, id, claim number, the new state, milliseconds until it is
/// due, and, or NULL to leave them as they are, attempts and reason.
pub const SETTLE: &str = "\
UPDATE outbox_messages
SET state = ?4,
    due = CAST(unixepoch('subsec') * 1000 AS INTEGER) + ?5,
    attempts = coalesce(?6, attempts),
    reason = coalesce(?7, reason),
    lapses = 0
WHERE queue = ?1 AND id = ?2 AND abs(place) * 1048576 + claims = ?3 AND state = 'claimed'";

/// Milliseconds until the next message can be claimed, or no row. Queue, whether parked messages are stepped over.
pub const NEXT_DUE: &str = concat!(
    "\
WITH RECURSIVE bound (due, place) AS MATERIALIZED (
    SELECT due, place FROM outbox_messages WHERE queue = ?1 AND state = 'waiting'
    ORDER BY due, place LIMIT 1 OFFSET 99),
ready (due) AS MATERIALIZED (
    SELECT m.due FROM outbox_messages AS m
    WHERE m.queue = ?1 AND m.state = 'waiting'
      AND (m.due, m.place) <= (coalesce((SELECT due FROM bound), 9223372036854775807),
                               coalesce((SELECT place FROM bound), 9223372036854775807))
      AND ",
    is_next!("?1", "m", "?2"),
    "
    ORDER BY m.due, m.place LIMIT 1),
",
    heads!("NOT EXISTS (SELECT 1 FROM ready) AND EXISTS (SELECT 1 FROM bound)"),
    "
SELECT max(0, due - CAST(unixepoch('subsec') * 1000 AS INTEGER)) FROM (
    SELECT due FROM (
        SELECT due FROM outbox_messages WHERE queue = ?1 AND state = 'claimed' ORDER BY due LIMIT 1)
    UNION ALL SELECT due FROM ready
    UNION ALL SELECT m.due FROM heads CROSS JOIN outbox_messages AS m ON m.place = heads.place
        WHERE (SELECT count(*) FROM heads) < 1000
          AND ",
    is_next!("?1", "m", "?2"),
    "
    UNION ALL SELECT due FROM (
        SELECT m.due FROM outbox_messages AS m
        WHERE m.queue = ?1 AND m.state = 'waiting'
          AND ",
    is_next!("?1", "m", "?2"),
    "
        ORDER BY m.due, m.place LIMIT (SELECT count(*) FROM heads) = 1000))
ORDER BY due LIMIT 1"
);

/// Parked messages. Queue, limit, offset. Returns id, topic, payload, attempts, reason.
pub const PARKED: &str = "\
SELECT id, topic, payload, attempts, coalesce(reason, '') FROM outbox_messages
WHERE queue = ?1 AND state = 'parked' ORDER BY place LIMIT ?2 OFFSET ?3";

/// Unparks a message, if it is parked; otherwise it changes no row. Queue, id.
pub const UNPARK: &str = "\
UPDATE outbox_messages SET state = 'waiting', attempts = 0, due = CAST(unixepoch('subsec') * 1000 AS INTEGER)
WHERE queue = ?1 AND id = ?2 AND state = 'parked'";

/// Deletes messages that are done. Queue, for how many milliseconds at least, limit.
pub const DELETE_DONE: &str = "\
DELETE FROM outbox_messages WHERE place IN (
    SELECT place FROM outbox_messages
    WHERE queue = ?1 AND state = 'done' AND due <= CAST(unixepoch('subsec') * 1000 AS INTEGER) - ?2
    ORDER BY due LIMIT ?3)";
