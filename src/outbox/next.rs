//! What both databases are asked of a message.

/// Whether nothing holds up the waiting message `$m` of the queue `$queue`; `$steps_over` says whether parked messages are
/// stepped over.
///
/// It is a `CASE`, so that it is asked of one message after the other until there are enough, and what costs least comes first:
/// as conditions of their own they become joins over everything that waits.
macro_rules! is_next {
    ($queue:literal, $m:literal, $steps_over:literal) => {
        concat!(
            $m,
            ".place = CASE
        WHEN EXISTS (
            SELECT 1 FROM outbox_messages AS o
            WHERE o.queue = ",
            $queue,
            " AND o.topic = ",
            $m,
            ".topic AND o.state = 'claimed') THEN NULL
        WHEN ",
            $steps_over,
            " THEN (
            SELECT o.place FROM outbox_messages AS o
            WHERE o.queue = ",
            $queue,
            " AND o.topic = ",
            $m,
            ".topic AND o.state = 'waiting'
            ORDER BY o.topic, o.place LIMIT 1)
        ELSE (
            SELECT o.place FROM outbox_messages AS o
            WHERE o.queue = ",
            $queue,
            " AND o.topic = ",
            $m,
            ".topic AND o.state <> 'done'
            ORDER BY o.topic, o.place LIMIT 1) END"
        )
    };
}

pub(super) use is_next;
