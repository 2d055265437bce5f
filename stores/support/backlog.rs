//! Many messages in all states, and which of them a claim must return, by looking at each.

use std::collections::HashMap;

/// A message as it stands in the table. Its place is that in the list.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) topic: String,
    pub(crate) state: &'static str,
    /// No two are alike.
    pub(crate) due_in_seconds: i64,
}

/// What waits, how many are claimed, and whether parked messages are stepped over. They reach each of the three ways in which
/// a claim looks: at what is due first, at the first of each topic, at all.
pub(crate) fn cases() -> impl Iterator<Item = (String, Vec<Row>, usize, bool)> {
    let sizes = [(3, 900, 1), (3, 900, 4), (40, 900, 30), (300, 900, 60), (1_500, 6_000, 1), (1_500, 6_000, 80)];
    let each = move |(topics, all, limit)| {
        [false, true].into_iter().flat_map(move |steps_over| {
            (1..=4).map(move |seed| {
                let name = format!("{topics} topics, seed {seed}, limit {limit}, steps over {steps_over}");
                (name, backlog(topics, all, seed), limit, steps_over)
            })
        })
    };
    sizes.into_iter().flat_map(each)
}

/// The first messages of most topics hold up those behind them: leased, parked, or due later.
fn backlog(topics: u64, all: i64, seed: u64) -> Vec<Row> {
    let mut random = seed;
    let mut draw = move |bound: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % bound
    };
    let mut claimed: HashMap<u64, bool> = HashMap::new();
    let row = |place: i64| {
        let topic = draw(topics);
        let is_first = !claimed.contains_key(&topic);
        let is_claimed = claimed.entry(topic).or_default();
        let (state, due_in_seconds) = match draw(if is_first { 10 } else { 60 }) {
            0..3 if !*is_claimed => {
                *is_claimed = true;
                ("claimed", if draw(100) == 0 { place * 2 - 40_000 } else { place + 1_000 })
            }
            3..6 => ("parked", place - 10_000),
            6..9 => ("waiting", place + 10_000),
            // After those that wait behind others, so that a claim comes to these first.
            _ if is_first => ("waiting", place * 2 - 14_001),
            _ => ("waiting", place * 2 - 20_000),
        };
        Row { id: format!("m{place}"), topic: format!("t{topic}"), state, due_in_seconds }
    };
    (0..all).map(row).collect()
}

/// What a claim returns, in the order in which it falls due.
pub(crate) fn claimable(rows: &[Row], limit: usize, steps_over: bool) -> Vec<String> {
    let mut heads: HashMap<&str, &Row> = HashMap::new();
    let is_in_the_way = |row: &&Row| row.state == "waiting" || row.state == "parked" && !steps_over;
    for row in rows.iter().filter(is_in_the_way) {
        heads.entry(&row.topic).or_insert(row);
    }
    for row in rows.iter().filter(|row| row.state == "claimed") {
        heads.insert(&row.topic, row);
    }
    let mut due: Vec<_> = heads.into_values().filter(|row| row.state != "parked" && row.due_in_seconds <= 0).collect();
    due.sort_by_key(|row| row.due_in_seconds);
    due.into_iter().take(limit).map(|row| row.id.clone()).collect()
}
