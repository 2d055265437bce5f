//! What is wrong with what comes in, and with the database: a clear error, and nothing lost.

use std::time::Duration;

use payments::domain::{Key, NewOrder, News, Provider, State};
use payments::gateway::{Answer, Charge};
use payments::http::{Serve, serve};
use payments::provider::Condition;
use payments::service::{Heard, Reply};
use payments::storage::{Change, Journal, Postgres, Sqlite, Storage, StorageError};

use crate::databases::{Folder, facts, with_postgres};
use crate::shop::{Stage, new_order, numbers};

facts![
    a_callback_that_nobody_can_read_is_rejected_and_recorded,
    a_callback_for_an_unknown_order_is_rejected_and_recorded,
    a_callback_that_contradicts_a_final_state_is_recorded_and_never_applied,
    a_callback_that_its_provider_does_not_confirm_changes_nothing,
    a_callback_waits_for_a_provider_that_does_not_say,
    a_callback_before_the_answer_is_applied_once,
    an_order_that_is_not_valid_is_refused_by_its_field,
    an_order_whose_id_can_be_none_is_not_found,
];

async fn a_callback_that_nobody_can_read_is_rejected_and_recorded<S: Storage>(storage: S) {
    let stage = Stage::new(storage.clone()).await;
    let bodies: [(Provider, &[u8]); 9] = [
        (Provider::Alpha, b""),
        (Provider::Alpha, b"{\"reference\":"),
        (Provider::Alpha, b"\xff\xfe"),
        (Provider::Alpha, br#"{"reference":"a","amount":1,"status":"captured"}"#),
        (Provider::Alpha, br#"{"reference":"a.1","amount":1,"status":"sold"}"#),
        (Provider::Alpha, b"\0"),
        (Provider::Alpha, br#"{"reference":"a\u0000.1","amount":1,"status":"captured"}"#),
        (Provider::Alpha, br#"{"reference":"a.+1","amount":1,"status":"captured"}"#),
        (Provider::Beta, b"code=0000&order_no=a.1&sum=12,50"),
    ];
    for (from, body) in bodies {
        let heard = stage.shop.callback(from, body).await.unwrap();
        assert!(matches!(heard, Heard::Unreadable(_)), "{heard:?}");
        assert_eq!(heard.status(), 400);
    }
    let recorded = storage.recorded().await.unwrap();
    assert_eq!(recorded.len(), 9);
    assert!(recorded.iter().all(|recorded| recorded.end.starts_with("unreadable: ")), "{recorded:?}");
}

async fn a_callback_for_an_unknown_order_is_rejected_and_recorded<S: Storage>(storage: S) {
    let stage = Stage::new(storage.clone()).await;
    let heard = stage.shop.callback(Provider::Beta, b"code=0000&order_no=none.1&sum=12.50&txn=r1").await;
    assert_eq!(heard, Ok(Heard::UnknownOrder));
    assert_eq!(storage.recorded().await.unwrap()[0].end, "unknown order");
}

async fn a_callback_that_contradicts_a_final_state_is_recorded_and_never_applied<S: Storage>(storage: S) {
    let stage = Stage::new(storage.clone()).await;
    stage.shop.place(new_order("a")).await;
    let before = stage.order("a").await;
    let bodies: [(Provider, &[u8]); 3] = [
        (Provider::Alpha, br#"{"reference":"a.1","amount":1250,"status":"declined"}"#),
        (Provider::Alpha, br#"{"reference":"a.1","amount":1251,"status":"captured","receipt":"r1"}"#),
        (Provider::Beta, b"code=0000&order_no=a.1&sum=12.50&txn=r1"),
    ];
    for (from, body) in bodies {
        let heard = stage.shop.callback(from, body).await.unwrap();
        assert!(matches!(heard, Heard::Rejected(_)), "{heard:?}");
        assert_eq!(stage.order("a").await, before);
    }
    let recorded = storage.recorded().await.unwrap();
    assert_eq!(recorded.len(), 3);
    assert!(recorded.iter().all(|recorded| recorded.end.starts_with("rejected: ")), "{recorded:?}");
    assert_eq!(storage.history("a").await.unwrap().len(), 3 + 3);
}

/// An order that is about to be sent to Alpha, or voided there, and that Alpha has not heard of.
async fn sent<S: Storage>(storage: &S, id: &str, news: &[News]) -> Key {
    let journal = Journal::new(storage.clone(), numbers().sweep_after);
    let new = Change::new_order(&new_order(id), journal.sweep_after());
    storage.place(&new).await.unwrap();
    let key = Key::of(&new.after);
    for news in news {
        journal.tell(&key, news, "test").await.unwrap();
    }
    key
}

/// Anybody can send one.
async fn a_callback_that_its_provider_does_not_confirm_changes_nothing<S: Storage>(storage: S) {
    let stage = Stage::new(storage.clone()).await;
    let at = Provider::Alpha;
    sent(&storage, "a", &[News::Sending(at)]).await;
    sent(&storage, "b", &[News::Sending(at), News::Voiding(at)]).await;
    for (order, status) in [("a", "captured"), ("a", "declined"), ("a", "voided"), ("b", "voided")] {
        let before = stage.order(order).await;
        let body = format!(r#"{{"reference":"{order}.1","amount":1250,"status":"{status}","receipt":"r1"}}"#);
        let heard = stage.shop.callback(at, body.as_bytes()).await.unwrap();
        assert_eq!((heard.status(), stage.order(order).await), (409, before), "{body}");
        let recorded = storage.recorded().await.unwrap().pop().unwrap();
        assert_eq!(recorded.end, "rejected: the provider says otherwise");
    }
}

async fn a_callback_waits_for_a_provider_that_does_not_say<S: Storage>(storage: S) {
    let stage = Stage::new(storage.clone()).await;
    let at = Provider::Alpha;
    let charge = Charge { key: sent(&storage, "a", &[News::Sending(at)]).await, cents: 1_250 };
    let Ok(Answer::Charged { receipt, .. }) = stage.shop.gateway().client(at).charge(charge).await else { panic!() };
    let body = format!(r#"{{"reference":"a.1","amount":1250,"status":"captured","receipt":"{receipt}"}}"#);
    stage.providers[0].set_condition(Condition::Silent);
    assert_eq!(stage.shop.callback(at, body.as_bytes()).await.unwrap().status(), 503);
    assert_eq!(stage.state("a").await, State::Pending(Some(at)));
    stage.providers[0].set_condition(Condition::Up);
    assert_eq!(stage.shop.callback(at, body.as_bytes()).await, Ok(Heard::Well));
    assert_eq!(stage.state("a").await, State::Completed { at, receipt });
}

async fn a_callback_before_the_answer_is_applied_once<S: Storage>(storage: S) {
    let mut stage = Stage::new(storage.clone()).await;
    storage.set_quota("c", 1_000).await.unwrap();
    let rough = payments::provider::Weather { fault_ratio: 1.0, question_fault_ratio: 0.0 };
    stage.providers.iter().for_each(|provider| provider.set_weather(rough));
    let (mut first, mut known) = (0, 0);
    for index in 0..60 {
        let placing = stage.shop.place(new_order(&format!("a{index}")));
        let mut placing = std::pin::pin!(placing);
        loop {
            tokio::select! {
                _ = &mut placing => break,
                Some(call) = stage.calls.recv() => {
                    stage.shop.callback(call.from, &call.body).await.unwrap();
                }
            }
        }
    }
    for recorded in storage.recorded().await.unwrap() {
        match recorded.end.as_str() {
            "applied" => first += 1,
            "known" => known += 1,
            _ => {}
        }
    }
    assert!(first > 0 && known > 0, "{first} came first, {known} came after");
    for order in storage.orders().await.unwrap() {
        if let State::Completed { .. } = order.state {
            assert_eq!(order.events, 2, "{order:?}");
        }
    }
}

async fn an_order_that_is_not_valid_is_refused_by_its_field<S: Storage>(storage: S) {
    let stage = Stage::new(storage.clone()).await;
    let well = new_order("a");
    let rows = [
        (NewOrder { id: String::new(), ..well.clone() }, "`id`"),
        (NewOrder { id: "a.1".to_owned(), ..well.clone() }, "`id`"),
        (NewOrder { customer: "x".repeat(65), ..well.clone() }, "`customer`"),
        (NewOrder { cents: 0, ..well.clone() }, "`cents` is 0"),
        (NewOrder { cents: 10_000_001, ..well.clone() }, "`cents` is 10000001"),
        (NewOrder { units: 0, ..well }, "`units` is 0"),
    ];
    for (order, expected) in rows {
        let reply = stage.shop.place(order).await;
        assert_eq!(reply.status(), 422);
        assert!(matches!(&reply, Reply::Invalid(what) if what.contains(expected)), "{reply:?}");
    }
    assert_eq!(storage.orders().await, Ok(vec![]));
}

/// A database may refuse to look for such a text at all.
async fn an_order_whose_id_can_be_none_is_not_found<S: Storage>(storage: S) {
    let stage = Stage::new(storage.clone()).await;
    stage.shop.place(new_order("a")).await;
    let listen = payments::net::listener().await.unwrap().local_addr().unwrap();
    let nobody = format!("http://{listen}/nobody");
    let serving = Serve {
        listen,
        providers: [nobody.clone(), nobody.clone()],
        events: nobody,
        numbers: numbers(),
        is_naive: true,
    };
    let serving = tokio::spawn(serve(storage, serving, std::future::pending()));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let status = async |id: &str| {
        let url = format!("http://{listen}/orders/{id}");
        let mut tries = 0;
        loop {
            match client.get(&url).send().await {
                Ok(response) => return response.status().as_u16(),
                Err(error) if tries == 100 => panic!("{error}"),
                Err(_) => tries += 1,
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert_eq!(status("a").await, 200);
    for (id, expected) in [
        ("%00", 404),
        ("a%00", 404),
        ("%ff", 400),
        ("a%c3", 400),
        ("%f0%9f%92%b0", 404),
        ("a'%20OR%20'a'='a", 404),
        ("a%2fb", 404),
        (&"a".repeat(20_000), 404),
    ] {
        assert_eq!(status(id).await, expected, "{}", &id[..id.len().min(40)]);
    }
    serving.abort();
}

/// Nothing is sent that could not be written down, and the client is told why.
async fn refuses<S: Storage>(stage: &Stage<S>, id: &str, is: fn(&StorageError) -> bool) {
    let reply = stage.shop.place(new_order(id)).await;
    let Reply::Storage(error) = &reply else { panic!("{reply:?}") };
    assert!(is(error), "{error:?}");
    assert_eq!((reply.status(), stage.charged()), (503, 0));
    let calls: u64 = stage.providers.iter().map(|provider| provider.calls().all).sum();
    assert_eq!(calls, 0);
}

#[tokio::test]
async fn a_read_only_database_is_a_clear_error_and_nothing_is_sent_on_sqlite() {
    let folder = Folder::new();
    let well = Stage::new(Sqlite::open(&folder.file()).unwrap()).await;
    let read_only = Sqlite::open_with(&folder.file(), |c| c.pragma_update(None, "query_only", true)).unwrap();
    let stage = Stage { shop: Stage::shop(&read_only, &well.providers), storage: read_only, ..well };
    refuses(&stage, "a", |error| matches!(error, StorageError::ReadOnly(_))).await;
}

#[tokio::test]
async fn a_full_database_is_a_clear_error_and_nothing_is_lost_on_sqlite() {
    let folder = Folder::new();
    let well = Stage::new(Sqlite::open(&folder.file()).unwrap()).await;
    let full = Sqlite::open_with(&folder.file(), |connection| {
        // No page more than there is.
        let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
        connection.pragma_update(None, "max_page_count", pages)
    })
    .unwrap();
    let stage = Stage { shop: Stage::shop(&full, &well.providers), storage: full.clone(), ..well };
    storage_fills(&stage).await;
}

/// Orders until the database is full: each is either whole, or was refused before anything was sent.
async fn storage_fills<S: Storage>(stage: &Stage<S>) {
    stage.storage.set_quota("c", 10_000).await.unwrap();
    let mut refused = 0;
    for index in 0..200 {
        match stage.shop.place(new_order(&format!("a{index}"))).await {
            Reply::Storage(StorageError::Full(_)) => refused += 1,
            Reply::Completed(_) | Reply::Pending(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(refused > 0, "it never filled up");
    let orders = stage.storage.orders().await.unwrap();
    let held: i64 = orders.iter().map(|order| i64::from(order.units)).sum();
    assert_eq!(stage.quota().await.used, held);
    for order in &orders {
        if let State::Completed { .. } = order.state {
            continue;
        }
        // Charged or not, it is open, and the sweep will look at it.
        assert!(!order.state.is_final(), "{order:?}");
    }
    let completed = orders.iter().filter(|order| order.state.is_final()).count() as u64;
    let open = orders.len() as u64 - completed;
    assert!((completed..=completed + open).contains(&(stage.charged() / 1_250)));
}

#[tokio::test]
async fn a_locked_database_is_a_clear_error_and_nothing_is_sent_on_sqlite() {
    let folder = Folder::new();
    let well = Stage::new(Sqlite::open(&folder.file()).unwrap()).await;
    let short = Sqlite::open_with(&folder.file(), |connection| connection.busy_timeout(Duration::from_millis(50)));
    let short = short.unwrap();
    let stage = Stage { shop: Stage::shop(&short, &well.providers), storage: short, ..well };
    let other = windbreak_sqlite::rusqlite::Connection::open(folder.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    refuses(&stage, "a", |error| matches!(error, StorageError::Locked(_))).await;
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(stage.shop.place(new_order("a")).await.status(), 201);
}

#[tokio::test]
async fn a_read_only_database_is_a_clear_error_and_nothing_is_sent_on_postgres() {
    let test = "bad_input::a_read_only_database_is_a_clear_error_and_nothing_is_sent_on_postgres";
    with_postgres(test, |url, storage| async move {
        let well = Stage::new(storage).await;
        let url = format!("{url}?options=-c%20default_transaction_read_only%3Don");
        let read_only = Postgres::connect_to_ready(&url).await.unwrap();
        let stage = Stage { shop: Stage::shop(&read_only, &well.providers), storage: read_only, ..well };
        refuses(&stage, "a", |error| matches!(error, StorageError::ReadOnly(_))).await;
    })
    .await;
}

#[tokio::test]
async fn a_locked_database_is_a_clear_error_and_nothing_is_sent_on_postgres() {
    let test = "bad_input::a_locked_database_is_a_clear_error_and_nothing_is_sent_on_postgres";
    with_postgres(test, |url, storage| async move {
        let well = Stage::new(storage).await;
        let short = format!("{url}?options=-c%20lock_timeout%3D100");
        let short = Postgres::connect_to_ready(&short).await.unwrap();
        let stage = Stage { shop: Stage::shop(&short, &well.providers), storage: short, ..well };
        let no_tls = windbreak_postgres::tokio_postgres::NoTls;
        let (mut other, connection) = windbreak_postgres::tokio_postgres::connect(&url, no_tls).await.unwrap();
        tokio::spawn(connection);
        let lock = other.transaction().await.unwrap();
        lock.batch_execute("LOCK TABLE quotas").await.unwrap();
        refuses(&stage, "a", |error| matches!(error, StorageError::Locked(_))).await;
        lock.rollback().await.unwrap();
        assert_eq!(stage.shop.place(new_order("a")).await.status(), 201);
    })
    .await;
}
