//! The page, as the service serves it. How a browser shows it is tested in `tests/page`.

use serde_json::{Value, json};

use crate::service::Service;

#[tokio::test]
async fn the_page_and_what_it_shows_are_served() {
    let service = Service::start("page").await;
    assert_eq!(service.order("a", 1).await.status(), 201);
    assert!(service.get("/").await.starts_with("<!doctype html>"));
    let status: Value = serde_json::from_str(&service.get("/status").await).expect("JSON");
    assert_eq!(status["orders"]["COMPLETED"], 1);
    assert_eq!(status["providers"][0]["name"], "alpha");
    assert_eq!(status["providers"][0]["counts"]["cents"], 1_250);
    assert_eq!(status["parked"], json!([]));
}
