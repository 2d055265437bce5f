use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Insert {
        topic: u8,
        due_in: u64,
    },
    Claim {
        limit: usize,
        lease: u64,
        steps_over: bool,
    },
    /// Of the claims so far, counted from the latest.
    Settle {
        back: usize,
        settlement: Settlement,
    },
    Unpark {
        message: usize,
    },
    DeleteDone {
        for_longer_than: u64,
        limit: usize,
    },
    Pass {
        millis: u64,
    },
}

/// One list of all that was ever inserted, looked through from the start for each question.
#[derive(Default)]
struct Model {
    now: u64,
    rows: Vec<Entry>,
    claims: u64,
}

struct Entry {
    id: String,
    topic: u8,
    state: &'static str,
    due: u64,
    attempts: u32,
    claims: u64,
    lapses: u32,
}

impl Model {
    /// The places that may be claimed at some time, without asking when.
    fn heads(&self, steps_over: bool) -> Vec<usize> {
        let is_head = |place: &usize| {
            let row = &self.rows[*place];
            let others = || self.rows.iter().enumerate().filter(|(_, other)| other.topic == row.topic);
            let is_before = |state: &str| state == "waiting" || state == "parked" && !steps_over;
            row.state == "claimed"
                || row.state == "waiting"
                    && !others()
                        .any(|(other, entry)| entry.state == "claimed" || other < *place && is_before(entry.state))
        };
        (0..self.rows.len()).filter(is_head).collect()
    }

    fn claim(&mut self, limit: usize, lease: u64, steps_over: bool) -> Vec<(String, u64, u32, u32)> {
        let mut due = self.heads(steps_over);
        due.retain(|place| self.rows[*place].due <= self.now);
        due.sort_by_key(|place| self.rows[*place].due);
        due.truncate(limit);
        let mut claimed = Vec::new();
        for place in due {
            let row = &mut self.rows[place];
            row.lapses = if row.state == "claimed" { row.lapses + 1 } else { 0 };
            self.claims += 1;
            (row.state, row.due, row.claims) = ("claimed", self.now + lease, self.claims);
            claimed.push((row.id.clone(), row.claims, row.attempts, row.lapses));
        }
        claimed
    }

    fn settle(&mut self, id: &str, number: u64, settlement: &Settlement) -> Lease {
        let now = self.now;
        let held = |row: &&mut Entry| row.id == id && row.state == "claimed" && row.claims == number;
        let Some(row) = self.rows.iter_mut().find(held) else { return Lease::Lost };
        match settlement {
            Settlement::Done => (row.state, row.due) = ("done", now),
            Settlement::Again { after, attempts, .. } => {
                (row.state, row.due, row.attempts) = ("waiting", now + after.as_millis() as u64, *attempts);
            }
            Settlement::Parked { attempts, .. } => (row.state, row.attempts) = ("parked", *attempts),
        }
        Lease::Held
    }

    fn delete_done(&mut self, for_longer_than: u64, limit: usize) -> usize {
        let mut old: Vec<_> = (0..self.rows.len())
            .filter(|place| self.rows[*place].state == "done" && self.rows[*place].due + for_longer_than <= self.now)
            .collect();
        old.sort_by_key(|place| self.rows[*place].due);
        old.truncate(limit);
        for place in &old {
            self.rows[*place].state = "deleted";
        }
        old.len()
    }
}

fn settlement() -> impl Strategy<Value = Settlement> {
    prop_oneof![
        2 => Just(Settlement::Done),
        2 => (0..40_u64, 0..9_u32).prop_map(|(after, attempts)| {
            Settlement::Again { after: Duration::from_millis(after), attempts, reason: String::new() }
        }),
        1 => (0..9_u32).prop_map(|attempts| Settlement::Parked { attempts, reason: String::new() }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4_u8, prop_oneof![Just(0), 0..40_u64]).prop_map(|(topic, due_in)| Step::Insert { topic, due_in }),
        4 => (0..4_usize, 0..40_u64, any::<bool>())
            .prop_map(|(limit, lease, steps_over)| Step::Claim { limit, lease, steps_over }),
        6 => (0..6_usize, settlement()).prop_map(|(back, settlement)| Step::Settle { back, settlement }),
        1 => (0..20_usize).prop_map(|message| Step::Unpark { message }),
        1 => (0..40_u64, 0..4_usize).prop_map(|(for_longer_than, limit)| Step::DeleteDone { for_longer_than, limit }),
        4 => (0..30_u64).prop_map(|millis| Step::Pass { millis }),
    ]
}

proptest! {
    #[test]
    fn a_ledger_agrees_with_one_list_of_all_rows(steps in prop::collection::vec(step(), 0..80)) {
        let start = Instant::now();
        let (mut ledger, mut model) = (Ledger::default(), Model::default());
        let mut claims: Vec<Claim> = Vec::new();
        for step in steps {
            let now = start + Duration::from_millis(model.now);
            match step {
                Step::Insert { topic, due_in } => {
                    let id = format!("m{}", model.rows.len());
                    let due = Duration::from_millis(due_in);
                    prop_assert!(ledger.insert(&Message::new(&*id).topic(topic.to_string()).due_in(due), now));
                    let due = model.now + due_in;
                    model.rows.push(Entry { id, topic, state: "waiting", due, attempts: 0, claims: 0, lapses: 0 });
                }
                Step::Claim { limit, lease, steps_over } => {
                    let parked = if steps_over { ParkedHead::IsSteppedOver } else { ParkedHead::Blocks };
                    let claimed = ledger.claim(limit, Duration::from_millis(lease), parked, now);
                    claims.extend(claimed.iter().map(|claimed| claimed.claim.clone()));
                    let seen: Vec<_> = claimed
                        .into_iter()
                        .map(|Claimed { message, claim, lapses }| (claim.id, claim.number, message.attempts, lapses))
                        .collect();
                    prop_assert_eq!(seen, model.claim(limit, lease, steps_over));
                }
                Step::Settle { back, settlement } => {
                    let Some(claim) = claims.iter().rev().nth(back) else { continue };
                    let expected = model.settle(&claim.id, claim.number, &settlement);
                    prop_assert_eq!(ledger.settle(claim, &settlement, now), expected);
                }
                Step::Unpark { message } => {
                    let parked = model.rows.get_mut(message).filter(|row| row.state == "parked");
                    let is_parked = parked.is_some();
                    if let Some(row) = parked {
                        (row.state, row.due, row.attempts) = ("waiting", model.now, 0);
                    }
                    prop_assert_eq!(ledger.unpark(&format!("m{message}"), now), is_parked);
                }
                Step::DeleteDone { for_longer_than, limit } => {
                    let deleted = ledger.delete_done(Duration::from_millis(for_longer_than), limit, now);
                    prop_assert_eq!(deleted, model.delete_done(for_longer_than, limit));
                }
                Step::Pass { millis } => model.now += millis,
            }
            let now = start + Duration::from_millis(model.now);
            for (parked, steps_over) in [(ParkedHead::Blocks, false), (ParkedHead::IsSteppedOver, true)] {
                let due = model.heads(steps_over).into_iter().map(|place| model.rows[place].due).min();
                let due = due.map(|due| Duration::from_millis(due.saturating_sub(model.now)));
                prop_assert_eq!(ledger.next_due(parked, now), due);
            }
            let parked: Vec<_> = ledger.parked(0, 100).into_iter().map(|parked| parked.message.id).collect();
            let expected: Vec<_> = model.rows.iter().filter(|row| row.state == "parked").map(|row| row.id.clone()).collect();
            prop_assert_eq!(parked, expected);
        }
    }
}

/// How many rows are looked at by a claim of four, and for the next due, where `waiting` are as `shape` makes them.
fn looked_at(waiting: u64, shape: fn(&mut Ledger, u64, Instant)) -> (usize, usize) {
    let (now, lease) = (Instant::now(), Duration::from_secs(60));
    let mut ledger = Ledger::default();
    shape(&mut ledger, waiting, now);
    let mut most = (0, 0);
    for parked in [ParkedHead::Blocks, ParkedHead::IsSteppedOver] {
        ledger.rows.looked_at.set(0);
        ledger.claim(4, lease, parked, now);
        most.0 = most.0.max(ledger.rows.looked_at.replace(0));
        ledger.next_due(parked, now);
        most.1 = most.1.max(ledger.rows.looked_at.replace(0));
    }
    most
}

fn insert(ledger: &mut Ledger, topic: u64, due_in: Duration, now: Instant) {
    let message = Message::new(format!("m{}", ledger.next)).topic(topic.to_string()).due_in(due_in);
    assert!(ledger.insert(&message, now));
}

/// All that can be, under a lease that lasts; and, where they are to be `parked`, set aside.
fn claim_all(ledger: &mut Ledger, is_parked: bool, now: Instant) {
    for claimed in ledger.claim(usize::MAX, Duration::from_secs(60), ParkedHead::IsSteppedOver, now) {
        if is_parked {
            let settlement = Settlement::Parked { attempts: 1, reason: String::new() };
            assert_eq!(ledger.settle(&claimed.claim, &settlement, now), Lease::Held);
        }
    }
}

#[test]
fn a_claim_looks_at_no_more_rows_than_it_takes_whatever_waits() {
    type Shape = (&'static str, fn(&mut Ledger, u64, Instant));
    let shapes: [Shape; 6] = [
        ("a topic each", |ledger, waiting, now| {
            (0..waiting).for_each(|topic| insert(ledger, topic, Duration::ZERO, now));
        }),
        ("one topic", |ledger, waiting, now| (0..waiting).for_each(|_| insert(ledger, 0, Duration::ZERO, now))),
        ("half leased", |ledger, waiting, now| {
            (0..waiting / 2).for_each(|topic| insert(ledger, topic, Duration::ZERO, now));
            claim_all(ledger, false, now);
            (0..waiting).for_each(|topic| insert(ledger, topic, Duration::ZERO, now));
        }),
        ("half parked", |ledger, waiting, now| {
            (0..waiting / 2).for_each(|topic| insert(ledger, topic, Duration::ZERO, now));
            claim_all(ledger, true, now);
            (0..waiting).for_each(|topic| insert(ledger, topic, Duration::ZERO, now));
        }),
        ("half of one topic parked", |ledger, waiting, now| {
            for _ in 0..waiting / 2 {
                insert(ledger, 0, Duration::ZERO, now);
                claim_all(ledger, true, now);
            }
            (0..waiting / 2).for_each(|_| insert(ledger, 0, Duration::ZERO, now));
        }),
        ("half later", |ledger, waiting, now| {
            (0..waiting / 2).for_each(|topic| insert(ledger, topic, Duration::from_secs(60), now));
            (0..waiting).for_each(|topic| insert(ledger, topic, Duration::ZERO, now));
        }),
    ];
    for (name, shape) in shapes {
        for waiting in [20, 2_000] {
            let (by_claim, by_next_due) = looked_at(waiting, shape);
            assert!(by_claim <= 8 && by_next_due <= 1, "{name}, {waiting}: {by_claim} and {by_next_due} rows");
        }
    }
}
