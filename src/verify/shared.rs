use std::sync::Arc;
use std::time::Duration;

use super::unsettled::Unsettled;
use super::verified::{Failed, Verified};
use crate::boxed::Boxed;

type Ask<Request, T> = Arc<dyn Fn(Request, Failed) -> Boxed<Result<Verified<T>, String>> + Send + Sync>;
type Void<Request> = Arc<dyn Fn(Request) -> Boxed<Result<(), String>> + Send + Sync>;
type OnUnsettled<Request> = Arc<dyn Fn(Unsettled<Request>) + Send + Sync>;

/// What is asked, how often and for how long.
pub(super) struct Config<Request, T> {
    pub(super) after: Duration,
    pub(super) timeout: Duration,
    pub(super) attempts: u32,
    pub(super) ask: Ask<Request, T>,
    pub(super) void: Option<Void<Request>>,
    pub(super) on_unsettled: Option<OnUnsettled<Request>>,
}

impl<Request, T> Clone for Config<Request, T> {
    fn clone(&self) -> Self {
        Self {
            after: self.after,
            timeout: self.timeout,
            attempts: self.attempts,
            ask: Arc::clone(&self.ask),
            void: self.void.clone(),
            on_unsettled: self.on_unsettled.clone(),
        }
    }
}

/// What all services of a layer have in common.
pub(super) struct Shared<R, Request, T> {
    pub(super) rules: R,
    pub(super) config: Config<Request, T>,
}
