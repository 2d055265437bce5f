use super::shop::Shop;
use crate::domain::{Decision, Key, News, Provider, decide};
use crate::gateway::{CallbackNews, Found, Wire};
use crate::gauge::observed;
use crate::storage::{Recorded, Storage, StorageError, Told};

/// What a provider is told of its callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Written down, or known already.
    Well,
    /// Nobody can read it.
    Unreadable(String),
    UnknownOrder,
    /// It contradicts what is final, or what the provider itself says.
    Rejected(&'static str),
    /// The provider did not say now whether it is true: it is to send it again.
    Unconfirmed,
}

impl Heard {
    pub const fn status(&self) -> u16 {
        match self {
            Self::Well => 200,
            Self::Unreadable(_) => 400,
            Self::UnknownOrder => 404,
            Self::Rejected(_) => 409,
            Self::Unconfirmed => 503,
        }
    }
}

impl<W: Wire, S: Storage> Shop<W, S> {
    /// Each callback is recorded, with what was made of it. Anybody can send one, so nothing is changed because of it: the
    /// provider that is said to have sent it is asked first.
    ///
    /// # Errors
    ///
    /// If it could not be written down: the provider is to send it again.
    pub async fn callback(&self, from: Provider, body: &[u8]) -> Result<Heard, StorageError> {
        observed(async {
            let read = self.inside.gateway.client(from).read_callback(body);
            let (heard, end) = match read {
                Err(what) => (Heard::Unreadable(what.clone()), format!("unreadable: {what}")),
                Ok(news) => self.hear(from, news).await?,
            };
            // A text of PostgreSQL holds no null character.
            let body = String::from_utf8_lossy(body).replace('\0', "\u{fffd}");
            self.storage().record(&Recorded { from, body, end }).await?;
            Ok(heard)
        })
        .await
    }

    async fn hear(
        &self,
        from: Provider,
        CallbackNews { key, found }: CallbackNews,
    ) -> Result<(Heard, String), StorageError> {
        let Some(news) = news(from, found) else { return Ok((Heard::Well, "says nothing".to_owned())) };
        let well = |what: &str| (Heard::Well, what.to_owned());
        if self.changes(&key, &news).await? {
            let said = self.within(self.inside.gateway.client(from).find(&key)).await;
            match said.map(|found| self::news(from, found)) {
                Ok(Some(said)) if said == news => {}
                Ok(_) => {
                    let why = "the provider says otherwise";
                    return Ok((Heard::Rejected(why), format!("rejected: {why}")));
                }
                Err(error) => return Ok((Heard::Unconfirmed, format!("not confirmed: {error}"))),
            }
        }
        Ok(match self.inside.journal.tell(&key, &news, "callback").await? {
            Told::Changed(_) => well("applied"),
            Told::Known(_) => well("known"),
            Told::Late(_) | Told::NoQuota(_) => well("late"),
            Told::UnknownOrder => (Heard::UnknownOrder, "unknown order".to_owned()),
            Told::Contradiction(_, why) => (Heard::Rejected(why), format!("rejected: {why}")),
        })
    }

    /// Whether the row would change.
    async fn changes(&self, key: &Key, news: &News) -> Result<bool, StorageError> {
        let order = self.storage().order(&key.order).await?;
        Ok(order.is_some_and(|order| matches!(decide(&order, key.attempt, news), Decision::Set(_))))
    }
}

/// What a provider says of a payment, as news. `None` where it says nothing that settles it.
pub(super) fn news(at: Provider, found: Found) -> Option<News> {
    match found {
        Found::Charged { cents, receipt } => Some(News::Charged { at, cents, receipt }),
        Found::Declined => Some(News::Declined { at }),
        Found::Closed => Some(News::Voided { at }),
        Found::Processing | Found::NotFound => None,
    }
}
