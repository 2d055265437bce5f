use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::app::App;
use crate::audit::Facts;
use crate::gateway::Wire;
use crate::storage::{Storage, StorageError};

/// `GET /status`: what the page shows.
pub(super) async fn status<W: Wire, S: Storage>(State(app): State<App<W, S>>) -> Response {
    match read(&app).await {
        Ok(status) => axum::Json(status).into_response(),
        Err(error) => axum::Json(json!({ "error": error.to_string() })).into_response(),
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
    let letters = storage.open_letters().await?.len();
    let gateway = app.shop.gateway();
    let switches = gateway.steer().status();
    let mut providers = Vec::new();
    for (index, side) in gateway.sides().iter().enumerate() {
        let circuit = side.circuit.snapshot();
        let switch = &switches.providers[index];
        providers.push(json!({
            "name": side.client.provider(),
            "circuit": side.circuit.state().as_str(),
            "failure_ratio": circuit.tally.failure_ratio(),
            "moved_on": switch.moved_on,
            "preferred": switch.is_preferred,
            "excluded": switch.excluded.is_some(),
            "counts": counts(app, index).await,
        }));
    }
    Ok(json!({ "orders": states, "providers": providers, "parked": parked, "dead_letters": letters }))
}

/// What the provider itself counted. `null` while it cannot be reached.
async fn counts<W: Wire, S: Storage>(app: &App<W, S>, index: usize) -> Value {
    let request = app.client.get(format!("{}/counts", app.providers[index])).timeout(Duration::from_millis(300));
    let Ok(response) = request.send().await else { return Value::Null };
    let Ok(body) = response.bytes().await else { return Value::Null };
    serde_json::from_slice(&body).unwrap_or(Value::Null)
}
