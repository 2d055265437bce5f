use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tokio::time::sleep;
use windbreak::Effect;

use crate::gateway::{Wire, WireError};
use crate::provider::{Broken, Condition, Upstream};
use crate::receiver::{Received, Receiver};
use crate::service::{Delivery, EventError};

/// A way of a millisecond, there and back.
const WAY: Duration = Duration::from_millis(1);

/// To a provider in the same process.
#[derive(Debug, Clone)]
pub struct Line(pub Arc<Upstream>);

impl Wire for Line {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, WireError> {
        if self.0.condition() == Condition::Dead {
            return Err(WireError { effect: Effect::NotApplied, what: "connect" });
        }
        sleep(WAY).await;
        // The provider goes on when nobody waits for it any more.
        let serving = tokio::spawn(Arc::clone(&self.0).serve(request));
        match serving.await {
            Ok(Ok(response)) => {
                sleep(WAY).await;
                Ok(response)
            }
            Ok(Err(Broken)) | Err(_) => Err(WireError { effect: Effect::Unknown, what: "broken" }),
        }
    }
}

/// To the receiver of events in the same process.
#[derive(Debug, Clone)]
pub struct Mail(pub Arc<Receiver>);

impl Delivery for Mail {
    async fn deliver(&self, id: &str, body: &[u8]) -> Result<(), EventError> {
        sleep(WAY).await;
        match self.0.receive(id, body) {
            Received::Well => Ok(()),
            Received::Busy => Err(EventError::Failed("503".to_owned())),
            Received::AnswerLost => Err(EventError::Failed("broken".to_owned())),
            Received::Unreadable => Err(EventError::Unreadable("400".to_owned())),
        }
    }
}
