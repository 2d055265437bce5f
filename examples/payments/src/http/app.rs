use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;

use super::orders::{callback, place, show};
use super::status::status;
use super::wire::HttpMail;
use crate::domain::NewOrder;
use crate::gateway::Wire;
use crate::service::{Reply, Shop};
use crate::storage::Storage;

/// What the routes share.
#[derive(Debug)]
pub(super) struct App<W, S> {
    pub(super) shop: Shop<W, S>,
    /// Where events go, if orders are taken without the library.
    pub(super) naive: Option<HttpMail>,
    /// Where each provider says how it was called.
    pub(super) providers: Arc<[String; 2]>,
    /// Where events go, and where the receiver says how many came.
    pub(super) events: Arc<str>,
    pub(super) client: reqwest::Client,
}

impl<W, S> Clone for App<W, S> {
    fn clone(&self) -> Self {
        let Self { shop, naive, providers, events, client } = self;
        Self {
            shop: shop.clone(),
            naive: naive.clone(),
            providers: Arc::clone(providers),
            events: Arc::clone(events),
            client: client.clone(),
        }
    }
}

impl<W: Wire, S: Storage> App<W, S> {
    pub(super) async fn place(&self, new: NewOrder) -> Reply {
        match &self.naive {
            Some(mail) => self.shop.place_naively(new, mail.clone()).await,
            None => self.shop.place(new).await,
        }
    }

    pub(super) fn router(self) -> Router {
        Router::new()
            .route("/", get(|| async { Html(include_str!("page.html")) }))
            .route("/orders", post(place::<W, S>))
            .route("/orders/{id}", get(show::<W, S>))
            .route("/callbacks/{provider}", post(callback::<W, S>))
            .route("/status", get(status::<W, S>))
            .route("/admin/replay", post(replay::<W, S>))
            .route("/admin/reconcile", post(reconcile::<W, S>))
            .route("/admin/switch/{name}/{value}", post(switch::<W, S>))
            .with_state(self)
    }
}

async fn replay<W: Wire, S: Storage>(State(app): State<App<W, S>>) -> Response {
    match app.shop.replay().await {
        Ok(replayed) => axum::Json(json!(replayed)).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    }
}

async fn reconcile<W: Wire, S: Storage>(State(app): State<App<W, S>>) -> Response {
    match app.shop.reconcile().await {
        Ok(reconciled) => axum::Json(json!(reconciled)).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    }
}

async fn switch<W: Wire, S: Storage>(
    State(app): State<App<W, S>>,
    Path((name, value)): Path<(String, String)>,
) -> Response {
    match app.shop.switch(&name, &value).await {
        Ok(()) => axum::Json(json!({ name: value })).into_response(),
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response(),
    }
}
