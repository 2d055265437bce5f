//! The storage in a database: which statements make up each transaction.

use super::change::Change;
use super::database::{Database, Step, Value, Wrote};
use super::error::StorageError;
use super::row::{letter, order, pair, quota, recorded, values};
use super::statements as sql;
use super::store::{Changed, Letter, Placed, Quota, Recorded, Storage};
use crate::domain::Order;

#[derive(Debug, Clone)]
pub struct Sql<D>(D);

impl<D: Database> Sql<D> {
    pub const fn new(database: D) -> Self {
        Self(database)
    }

    async fn run(&self, sql: &'static str, values: Vec<Value>) -> Result<(), StorageError> {
        self.0.write(vec![Step::Run(sql, values)]).await.map(|_| ())
    }

    async fn rows<T>(
        &self,
        sql: &'static str,
        values: Vec<Value>,
        read: fn(&[Value]) -> Option<T>,
    ) -> Result<Vec<T>, StorageError> {
        let rows = self.0.read(sql, values).await?;
        let unreadable = |row: &Vec<Value>| StorageError::Other(format!("a row that nobody can read: {row:?}"));
        rows.iter().map(|row| read(row).ok_or_else(|| unreadable(row))).collect()
    }
}

/// The quota, the line of history and the messages of a change.
fn rest(change: &Change) -> Vec<Step> {
    let mut steps = Vec::new();
    let units = change.quota();
    let quota = vec![units.into(), change.after.customer.as_str().into()];
    match units {
        1.. => steps.push(Step::Must(sql::TAKE_QUOTA, quota)),
        0 => {}
        _ => steps.push(Step::Run(sql::GIVE_QUOTA, quota)),
    }
    steps.push(Step::Run(sql::NOTE, vec![change.after.id.as_str().into(), change.line.as_str().into()]));
    steps.extend(change.event.clone().map(Step::Event));
    steps.extend(change.sweep.clone().map(Step::Sweep));
    steps
}

impl<D: Database> Storage for Sql<D> {
    type Outbox = D::Outbox;

    fn events(&self) -> D::Outbox {
        self.0.events()
    }

    fn sweeps(&self) -> D::Outbox {
        self.0.sweeps()
    }

    async fn place(&self, change: &Change) -> Result<Placed, StorageError> {
        let mut steps = vec![Step::Must(sql::INSERT_ORDER, values(&change.after))];
        steps.extend(rest(change));
        match self.0.write(steps).await? {
            Wrote::All => Ok(Placed::New),
            Wrote::StoppedAt(0) => {
                let known = self.order(&change.after.id).await?;
                known.map(Placed::Known).ok_or_else(|| StorageError::Other("an order has vanished".to_owned()))
            }
            Wrote::StoppedAt(_) => Ok(Placed::NoQuota),
        }
    }

    async fn change(&self, change: &Change) -> Result<Changed, StorageError> {
        let before = change.before.as_ref().map_or(0, |before| before.version);
        let [id, _, _, _, state, at, receipt, why, attempt, version, events] =
            <[Value; 11]>::try_from(values(&change.after))
                .unwrap_or_else(|_| unreachable!("an order has eleven values"));
        let before = i64::try_from(before).unwrap_or(i64::MAX).into();
        let row = vec![state, at, receipt, why, attempt, version, events, id, before];
        let mut steps = vec![Step::Must(sql::CHANGE_ORDER, row)];
        steps.extend(rest(change));
        Ok(match self.0.write(steps).await? {
            Wrote::All => Changed::Done,
            Wrote::StoppedAt(0) => Changed::Stale,
            Wrote::StoppedAt(_) => Changed::NoQuota,
        })
    }

    async fn order(&self, id: &str) -> Result<Option<Order>, StorageError> {
        Ok(self.rows(sql::ORDER, vec![id.into()], order).await?.pop())
    }

    async fn orders(&self) -> Result<Vec<Order>, StorageError> {
        self.rows(sql::ORDERS, vec![], order).await
    }

    async fn states(&self) -> Result<Vec<(String, i64)>, StorageError> {
        let count = |row: &[Value]| match row {
            [Value::Text(state), Value::Number(count)] => Some((state.clone(), *count)),
            _ => None,
        };
        self.rows(sql::STATES, vec![], count).await
    }

    async fn note(&self, id: &str, line: &str) -> Result<(), StorageError> {
        self.run(sql::NOTE, vec![id.into(), line.into()]).await
    }

    async fn history(&self, id: &str) -> Result<Vec<String>, StorageError> {
        let line = |row: &[Value]| match row {
            [Value::Text(line)] => Some(line.clone()),
            _ => None,
        };
        self.rows(sql::HISTORY, vec![id.into()], line).await
    }

    async fn quotas(&self) -> Result<Vec<Quota>, StorageError> {
        self.rows(sql::QUOTAS, vec![], quota).await
    }

    async fn set_quota(&self, customer: &str, most: i64) -> Result<(), StorageError> {
        self.run(sql::SET_QUOTA, vec![customer.into(), most.into()]).await
    }

    async fn keep_letter(&self, key: &str, what: &str, must_be_verified: bool) -> Result<(), StorageError> {
        self.run(sql::KEEP_LETTER, vec![key.into(), what.into(), i64::from(must_be_verified).into()]).await
    }

    async fn open_letters(&self) -> Result<Vec<Letter>, StorageError> {
        self.rows(sql::OPEN_LETTERS, vec![], letter).await
    }

    async fn end_letter(&self, number: i64, end: &str) -> Result<(), StorageError> {
        self.run(sql::END_LETTER, vec![end.into(), number.into()]).await
    }

    async fn record(&self, callback: &Recorded) -> Result<(), StorageError> {
        let Recorded { from, body, end } = callback;
        self.run(sql::RECORD, vec![from.as_str().into(), body.as_str().into(), end.as_str().into()]).await
    }

    async fn recorded(&self) -> Result<Vec<Recorded>, StorageError> {
        self.rows(sql::RECORDED, vec![], recorded).await
    }

    async fn list_for_a_person(&self, id: &str, reason: &str) -> Result<(), StorageError> {
        self.run(sql::LIST_FOR_A_PERSON, vec![id.into(), reason.into()]).await
    }

    async fn for_a_person(&self) -> Result<Vec<(String, String)>, StorageError> {
        self.rows(sql::FOR_A_PERSON, vec![], pair).await
    }

    async fn set_switch(&self, name: &str, value: &str) -> Result<(), StorageError> {
        self.run(sql::SET_SWITCH, vec![name.into(), value.into()]).await
    }

    async fn switches(&self) -> Result<Vec<(String, String)>, StorageError> {
        self.rows(sql::SWITCHES, vec![], pair).await
    }
}
