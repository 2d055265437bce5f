//! Each outcome has its status, and where it helps a header.

use std::sync::Arc;
use std::time::Duration;

use payments::provider::Condition;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::service::Service;

#[tokio::test]
async fn each_outcome_has_its_status() {
    let service = Service::start("statuses").await;
    assert_eq!(service.order("a", 3).await.status(), 201);
    assert_eq!(service.order("a", 3).await.status(), 201);
    assert_eq!(service.order("a", 4).await.status(), 409);
    for index in 0..10 {
        assert_eq!(service.order(&format!("b{index}"), 99).await.status(), 201);
    }
    assert_eq!(service.order("c", 99).await.status(), 403);
    assert_eq!(service.order("b", 0).await.status(), 422);
    assert_eq!(service.post("/orders", "{").await.status(), 422);
    assert_eq!(
        service.post("/orders", r#"{"id":"x","cents":1,"units":1,"customer":"c","price":2}"#).await.status(),
        422
    );
    assert_eq!(service.post("/callbacks/alpha", "{").await.status(), 400);
    assert_eq!(service.post("/callbacks/gamma", "{").await.status(), 404);
    let unknown = json!({ "reference": "none.1", "amount": 1, "status": "captured" });
    assert_eq!(service.post("/callbacks/alpha", unknown.to_string()).await.status(), 404);
    let otherwise = json!({ "reference": "a.1", "amount": 1_250, "status": "declined" });
    assert_eq!(service.post("/callbacks/alpha", otherwise.to_string()).await.status(), 409);
    let shown: Value = serde_json::from_str(&service.get("/orders/a").await).expect("JSON");
    assert!(shown["state"].as_str().expect("a state").starts_with("COMPLETED at alpha"), "{shown}");
}

#[tokio::test]
async fn what_is_unknown_is_told_as_in_progress() {
    let service = Service::start("pending").await;
    service.both(Condition::Silent);
    assert_eq!(service.order("a", 1).await.status(), 202);
}

#[tokio::test]
async fn an_open_circuit_is_a_503_with_retry_after() {
    let service = Arc::new(Service::start("circuit").await);
    service.both(Condition::Failing);
    let mut opened = None;
    for round in 0..20 {
        let ids: Vec<String> = (0..10).map(|index| format!("a{round}-{index}")).collect();
        let mut orders = JoinSet::new();
        for id in ids {
            let service = Arc::clone(&service);
            orders.spawn(async move { service.order(&id, 1).await });
        }
        while let Some(response) = orders.join_next().await {
            let response = response.expect("it does not panic");
            if response.status() == 503 {
                opened = Some(response);
                break;
            }
            // A 500 says nothing of the effect, and nor does the question that fails: in progress.
            assert_eq!(response.status(), 202);
        }
        if opened.is_some() {
            break;
        }
    }
    let response = opened.expect("the circuits open");
    let wait: u64 = response.headers()["retry-after"].to_str().expect("text").parse().expect("whole seconds");
    assert!((1..=2).contains(&wait), "{wait}");
    let status: Value = serde_json::from_str(&service.get("/status").await).expect("JSON");
    for provider in status["providers"].as_array().expect("two of them") {
        assert_ne!(provider["circuit"], "closed", "{status}");
    }
    // Nothing was charged, and the quota is back, under the same id it may be tried again.
    assert_eq!(service.world.providers[0].books().all().filter(|(_, payment)| payment.is_charged()).count(), 0);
}

#[tokio::test]
async fn a_refused_connection_sends_the_order_to_the_other_provider() {
    let service = Service::start("refused").await;
    service.world.providers[0].set_condition(Condition::Dead);
    // Until its listener is closed.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(service.order("a", 1).await.status(), 201);
    let shown: Value = serde_json::from_str(&service.get("/orders/a").await).expect("JSON");
    assert!(shown["state"].as_str().expect("a state").starts_with("COMPLETED at beta"), "{shown}");
}

#[tokio::test]
async fn a_switch_is_thrown_and_a_wrong_one_is_refused() {
    let service = Service::start("switch").await;
    assert_eq!(service.post("/admin/switch/prefer/beta", "").await.status(), 200);
    assert_eq!(service.order("a", 1).await.status(), 201);
    let shown = service.get("/orders/a").await;
    assert!(shown.contains("COMPLETED at beta"), "{shown}");
    let refused = service.post("/admin/switch/prefer/gamma", "").await;
    assert_eq!(refused.status(), 422);
    assert!(refused.text().await.expect("a body").contains("gamma"));
}
