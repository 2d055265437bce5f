use std::time::Duration;

use serde_json::json;

use crate::clients::{Answered, Counter};
use crate::domain::NewOrder;

/// Gives orders over HTTP.
#[derive(Debug, Clone)]
pub(super) struct HttpCounter {
    pub(super) client: reqwest::Client,
    pub(super) service: String,
}

impl Counter for HttpCounter {
    async fn order(&self, new: NewOrder) -> Option<Answered> {
        let request = self.client.post(format!("{}/orders", self.service)).body(json!(new).to_string());
        let response = request.send().await.ok()?;
        let retry_after = response.headers().get("retry-after").and_then(|wait| wait.to_str().ok()?.parse().ok());
        Some(Answered { status: response.status().as_u16(), retry_after: retry_after.map(Duration::from_secs) })
    }
}
