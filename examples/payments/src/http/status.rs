use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use windbreak::outbox::{ParkedHead, Store as _};

use super::app::App;
use crate::audit::Facts;
use crate::gateway::Wire;
use crate::storage::{Storage, StorageError};

/// How many dead letters the page shows. It counts all.
const LETTERS: usize = 5;

/// `GET /status`: what the page shows.
pub(super) async fn status<W: Wire, S: Storage>(State(app): State<App<W, S>>) -> Response {
    match read(&app).await {
        Ok(status) => axum::Json(status).into_response(),
        Err(error) => {
            (StatusCode::SERVICE_UNAVAILABLE, axum::Json(json!({ "error": error.to_string() }))).into_response()
        }
    }
}

async fn read<W: Wire, S: Storage>(app: &App<W, S>) -> Result<Value, StorageError> {
    let storage = app.shop.storage();
    let states: serde_json::Map<_, _> =
        storage.states().await?.into_iter().map(|(state, count)| (state, count.into())).collect();
    let parked: Vec<Value> = Facts::parked(storage)
        .await?
        .into_iter()
        .map(|(order, reason)| json!({ "order": order, "reason": reason }))
        .collect();
    let letters = storage.open_letters().await?;
    let first_letters: Vec<Value> = letters
        .iter()
        .take(LETTERS)
        .map(|letter| json!({ "key": letter.key, "what": letter.what, "must_be_verified": letter.must_be_verified }))
        .collect();
    let quotas: Vec<Value> = storage
        .quotas()
        .await?
        .into_iter()
        .map(|quota| json!({ "customer": quota.customer, "used": quota.used, "most": quota.most }))
        .collect();
    let is_waiting = storage.events().next_due(ParkedHead::Blocks).await?.is_some();
    let [alpha, beta] = &*app.providers;
    let (first, second, received) = tokio::join!(
        counts(app, format!("{alpha}/counts")),
        counts(app, format!("{beta}/counts")),
        counts(app, app.events.to_string())
    );
    Ok(json!({
        "process": std::process::id(),
        "naive": app.naive.is_some(),
        "orders": states,
        "providers": providers(app, [first, second]),
        "parked": parked,
        "dead_letters": { "open": letters.len(), "first": first_letters },
        "events": { "received": received, "is_waiting": is_waiting },
        "quotas": quotas,
    }))
}

fn providers<W: Wire, S: Storage>(app: &App<W, S>, counts: [Value; 2]) -> Vec<Value> {
    let gateway = app.shop.gateway();
    let switches = gateway.steer().status();
    let sides = gateway.sides().iter().zip(&switches.providers).zip(counts);
    sides
        .map(|((side, switch), counts)| {
            let circuit = side.circuit.snapshot();
            json!({
                "name": side.client.provider(),
                "circuit": circuit.state.as_str(),
                "failure_ratio": circuit.tally.failure_ratio(),
                "cause": circuit.cause.as_deref(),
                "in_flight": side.permits.in_flight(),
                "moved_on": switch.moved_on,
                "preferred": switch.is_preferred,
                "excluded": switch.excluded.is_some(),
                "counts": counts,
            })
        })
        .collect()
}

/// What somebody else counted, be it a provider or the receiver of events. `null` while it cannot be reached.
async fn counts<W: Wire, S: Storage>(app: &App<W, S>, url: String) -> Value {
    let Ok(response) = app.client.get(url).timeout(Duration::from_millis(300)).send().await else { return Value::Null };
    let Ok(body) = response.bytes().await else { return Value::Null };
    serde_json::from_slice(&body).unwrap_or(Value::Null)
}
