use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::{Value, json};

use super::app::App;
use crate::domain::{NewOrder, Order, Provider, is_id};
use crate::gateway::Wire;
use crate::service::Reply;
use crate::storage::{Storage, StorageError};

/// `POST /orders`. The order goes on when the client does not wait for it.
pub(super) async fn place<W: Wire, S: Storage>(State(app): State<App<W, S>>, body: Bytes) -> Response {
    let new: NewOrder = match serde_json::from_slice(&body) {
        Ok(new) => new,
        Err(error) => return reply(&Reply::Invalid(error.to_string())),
    };
    let placing = tokio::spawn(async move { app.place(new).await });
    match placing.await {
        Ok(said) => reply(&said),
        Err(error) => reply(&Reply::Storage(StorageError::Other(error.to_string()))),
    }
}

fn reply(reply: &Reply) -> Response {
    let status = StatusCode::from_u16(reply.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = match reply {
        Reply::Completed(order) | Reply::Pending(order) | Reply::Declined(order) | Reply::Unavailable { order, .. } => {
            shown(order)
        }
        Reply::NoQuota => json!({ "error": "the quota does not suffice" }),
        Reply::Conflict => json!({ "error": "this id belongs to another order" }),
        Reply::Invalid(what) => json!({ "error": what }),
        Reply::Storage(error) => json!({ "error": error.to_string() }),
    };
    let mut response = (status, axum::Json(body)).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        // In whole seconds, rounded up. One second where nobody knows.
        let seconds = match reply {
            Reply::Unavailable { retry_after: Some(wait), .. } => wait.as_secs() + u64::from(wait.subsec_nanos() > 0),
            _ => 1,
        };
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn shown(order: &Order) -> Value {
    json!({ "id": order.id, "cents": order.cents, "state": order.state.to_string(), "attempt": order.attempt })
}

/// `GET /orders/{id}`: the order and its history.
pub(super) async fn show<W: Wire, S: Storage>(State(app): State<App<W, S>>, Path(id): Path<String>) -> Response {
    if !is_id(&id) {
        // PostgreSQL takes no text with a zero byte in it.
        return StatusCode::NOT_FOUND.into_response();
    }
    let storage = app.shop.storage();
    let read = async { Ok::<_, StorageError>((storage.order(&id).await?, storage.history(&id).await?)) };
    match read.await {
        Ok((Some(order), history)) => {
            let mut body = shown(&order);
            body["history"] = history.into();
            axum::Json(body).into_response()
        }
        Ok((None, _)) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => reply(&Reply::Storage(error)),
    }
}

/// `POST /callbacks/{provider}`.
pub(super) async fn callback<W: Wire, S: Storage>(
    State(app): State<App<W, S>>,
    Path(from): Path<String>,
    body: Bytes,
) -> Response {
    let Ok(from) = from.parse::<Provider>() else { return StatusCode::NOT_FOUND.into_response() };
    match app.shop.callback(from, &body).await {
        Ok(heard) => StatusCode::from_u16(heard.status()).unwrap_or(StatusCode::OK).into_response(),
        Err(error) => reply(&Reply::Storage(error)),
    }
}
