//! The page, as the service serves it and as a browser shows it.
//!
//! Where no Chromium is installed, the tests that need one say that they were skipped; with `WINDBREAK_BROWSER_REQUIRED=1` they
//! fail instead.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use payments::provider::{Broken, Condition};
use payments::storage::Storage as _;
use serde_json::{Value, json};
use tokio::process::Command;

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

/// The first browser of these that is there.
const BROWSERS: [&str; 4] =
    ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome", "/usr/bin/google-chrome-stable"];

/// What the browser has made of the page after three seconds. `None` where there is no browser.
async fn shown(test: &str, url: &str) -> Option<String> {
    let Some(browser) = BROWSERS.into_iter().find(|browser| Path::new(browser).exists()) else {
        let is_required = std::env::var("WINDBREAK_BROWSER_REQUIRED").is_ok_and(|value| value == "1");
        assert!(!is_required, "no browser is installed, and WINDBREAK_BROWSER_REQUIRED is 1");
        let _ = writeln!(std::io::stderr(), "SKIPPED page::{test}: no browser is installed");
        return None;
    };
    let profile = std::env::temp_dir().join(format!("payments-page-{}-{test}", std::process::id()));
    let mut command = Command::new(browser);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--virtual-time-budget=3000"]);
    command.arg(format!("--user-data-dir={}", profile.display())).args(["--dump-dom", url]).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(120), command.output()).await;
    let output = output.expect("the browser ends").expect("the browser starts");
    let _ = std::fs::remove_dir_all(&profile);
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(dom.contains("<h1>payments"), "{dom}\n{}", String::from_utf8_lossy(&output.stderr));
    Some(dom)
}

#[tokio::test]
async fn a_browser_shows_orders_providers_and_parked_work() {
    let service = Service::start("browser").await;
    for id in ["a", "b"] {
        assert_eq!(service.order(id, 1).await.status(), 201);
    }
    service.both(Condition::Silent);
    assert_eq!(service.order("c", 1).await.status(), 202);
    let reason = "two amounts <b>differ</b>";
    service.storage.list_for_a_person("a", reason).await.expect("the database is well");
    let Some(dom) = shown("shows", &service.world.service_url).await else { return };
    let tile = |state: &str, count: u32| format!("data-state=\"{state}\"><b class=\"{state}\">{count}</b>");
    assert!(dom.contains(&tile("COMPLETED", 2)), "{dom}");
    assert!(dom.contains(&tile("VOIDING", 1)), "{dom}");
    assert!(dom.contains(&tile("FAILED", 0)), "{dom}");
    let (_, alpha) = dom.split_once("data-provider=\"alpha\"").expect("a row for alpha");
    assert!(alpha.contains("<span class=\"pill closed\">closed</span>"), "{alpha}");
    assert!(alpha.contains("<td>2,500</td>"), "the cents that alpha has charged: {alpha}");
    assert!(dom.contains("data-provider=\"beta\""), "{dom}");
    // As text, whatever stands in it.
    assert!(dom.contains("<li>a: two amounts &lt;b&gt;differ&lt;/b&gt;</li>"), "{dom}");
    assert!(!dom.contains("visibility: visible"), "{dom}");
}

/// The page, from a service that then answers nothing.
async fn page_only(request: Request<Bytes>) -> Result<Response<Bytes>, Broken> {
    if request.uri().path() != "/" {
        return Err(Broken);
    }
    let mut response = Response::new(Bytes::from_static(include_bytes!("../../src/http/page.html")));
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/html"));
    Ok(response)
}

#[tokio::test]
async fn a_browser_says_that_the_service_is_down() {
    let listener = payments::net::listener().await.expect("a port");
    let url = payments::net::url(&listener).expect("an address");
    tokio::spawn(payments::net::serve(listener, || true, page_only));
    let Some(dom) = shown("down", &url).await else { return };
    assert!(dom.contains("visibility: visible"), "{dom}");
}
