use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::sleep;

use crate::domain::Provider;
use crate::net;
use crate::provider::{Broken, CallBack, Condition, Standing, Upstream, Weather};
use crate::receiver::{Received, Receiver};

/// All that outlives the order service: the providers, the rest of the company, and where they can be reached.
#[derive(Debug)]
pub struct World {
    pub providers: [Arc<Upstream>; 2],
    pub receiver: Arc<Receiver>,
    pub provider_urls: [String; 2],
    pub events_url: String,
    /// Where the order service is to be.
    pub service_url: String,
}

impl World {
    /// Serves until the runtime ends.
    pub async fn start(seed: u64, weather: Weather, service_url: String) -> io::Result<Self> {
        let (calls, called) = unbounded_channel();
        let providers = Provider::ALL.map(|provider| Upstream::new(provider, seed, weather, calls.clone()));
        let receiver = Arc::new(Receiver::new(seed, 0.15));
        let mut provider_urls = Vec::new();
        for provider in &providers {
            let listener = net::listener().await?;
            provider_urls.push(net::url(&listener)?);
            let (open, serving) = (Arc::clone(provider), Arc::clone(provider));
            tokio::spawn(net::serve(
                listener,
                move || open.condition() != Condition::Dead,
                move |request| at_provider(Arc::clone(&serving), request),
            ));
        }
        let listener = net::listener().await?;
        let events_url = format!("{}/events", net::url(&listener)?);
        tokio::spawn(serve_events(listener, Arc::clone(&receiver)));
        tokio::spawn(courier(service_url.clone(), called));
        let provider_urls = provider_urls.try_into().unwrap_or_else(|_| unreachable!("there are two providers"));
        Ok(Self { providers, receiver, provider_urls, events_url, service_url })
    }
}

async fn at_provider(provider: Arc<Upstream>, request: Request<Bytes>) -> Result<Response<Bytes>, Broken> {
    if request.method() == Method::GET && request.uri().path() == "/counts" {
        return Ok(Response::new(counts(&provider).to_string().into()));
    }
    provider.serve(request).await
}

fn counts(provider: &Upstream) -> serde_json::Value {
    let books = provider.books();
    let count = |is: fn(&Standing) -> bool| books.all().filter(|(_, payment)| is(&payment.standing)).count();
    let charged: u64 = books.all().filter(|(_, payment)| payment.is_charged()).map(|(_, payment)| payment.cents).sum();
    json!({
        "calls": provider.calls().all,
        "charged": count(|standing| *standing == Standing::Charged),
        "cents": charged,
        "declined": count(|standing| *standing == Standing::Declined),
        "voided": count(|standing| *standing == Standing::Closed),
        "processing": count(|standing| matches!(standing, Standing::Processing(_))),
    })
}

async fn serve_events(listener: TcpListener, receiver: Arc<Receiver>) -> io::Result<()> {
    let handle = move |request: Request<Bytes>| {
        let receiver = Arc::clone(&receiver);
        async move {
            if request.method() == Method::GET {
                let counts = json!({
                    "events": receiver.events().len(),
                    "repeats": receiver.repeats(),
                    "out_of_order": receiver.out_of_order().len(),
                });
                return Ok(Response::new(counts.to_string().into()));
            }
            let id = request.headers().get("idempotency-key").and_then(|id| id.to_str().ok()).unwrap_or_default();
            let status = match receiver.receive(id, request.body()) {
                Received::Well => 200,
                Received::Busy => 503,
                Received::Unreadable => 400,
                Received::AnswerLost => return Err(Broken),
            };
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = http::StatusCode::from_u16(status).expect("a status");
            Ok(response)
        }
    };
    net::serve(listener, || true, handle).await
}

/// Brings the callbacks. A provider tries five times.
async fn courier(service: String, mut calls: UnboundedReceiver<CallBack>) {
    let Ok(client) = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build() else { return };
    while let Some(call) = calls.recv().await {
        let (client, url) = (client.clone(), format!("{service}/callbacks/{}", call.from));
        tokio::spawn(async move {
            for _ in 0..5 {
                let sent = client.post(&url).body(call.body.clone()).send().await;
                if sent.is_ok_and(|response| response.status() != http::StatusCode::SERVICE_UNAVAILABLE) {
                    return;
                }
                sleep(Duration::from_millis(500)).await;
            }
        });
    }
}
