//! The wake-up that the documentation of the crate describes.

use std::future::poll_fn;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use windbreak::outbox::Relay;
use windbreak::rules::ErrorsOnly;
use windbreak_postgres::tokio_postgres::{AsyncMessage, NoTls, connect};

use crate::server::schema;
use crate::support::upstream::Upstream;
use crate::support::{message, unique};

#[tokio::test]
async fn a_relay_is_woken_by_a_notification_of_the_transaction() {
    let Some(schema) = schema().await else { return };
    let store = schema.store().await;
    let file = std::env::temp_dir().join(format!("windbreak-postgres-{}", unique()));
    let relay = Relay::builder("listening", store.clone(), Upstream::open(&file, Duration::ZERO), ErrorsOnly)
        .poll_every(Duration::from_secs(3_600))
        .build()
        .unwrap();
    let handle = relay.handle();

    let (client, mut connection) = connect(&schema.url, NoTls).await.unwrap();
    let listener = tokio::spawn({
        let handle = handle.clone();
        async move {
            while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                if matches!(message, AsyncMessage::Notification(_)) {
                    handle.notify();
                }
            }
        }
    });
    let channel = unique();
    client.batch_execute(&format!("LISTEN {channel}")).await.unwrap();

    let patience = Instant::now() + Duration::from_secs(10);
    let write = async {
        // The relay has looked, and found nothing.
        sleep(Duration::from_millis(200)).await;
        let mut writer = schema.client().await;
        let tx = writer.transaction().await.unwrap();
        store.insert_in(&tx, &message("a/1")).await.unwrap();
        tx.batch_execute(&format!("NOTIFY {channel}")).await.unwrap();
        tx.commit().await.unwrap();
        while handle.delivered() == 0 && Instant::now() < patience {
            sleep(Duration::from_millis(5)).await;
        }
    };
    relay.run(write).await;
    let accepted = Upstream::accepted(&file);
    let _ = std::fs::remove_file(&file);
    assert_eq!(accepted, ["a/1"]);
    drop(client);
    listener.await.unwrap();
}
