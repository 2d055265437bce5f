//! The contenders that hedge: none is sent over a callee that answers at once, so that what is measured is what every
//! request pays for it. And faults that are off.

use std::time::Duration;

use tower::ServiceBuilder;
use tower::hedge::{Hedge as PeerHedge, Policy};
use windbreak::rules::ErrorsOnly;
use windbreak::{Faults, HedgeLayer, ServiceErrorLayer};

use crate::stacks::Callee;
use crate::task::{Alone, Named, named};

const EXTRA_LOAD: f64 = 0.02;
const SECONDS: Duration = Duration::from_secs(10);

/// tower's is not `Clone`.
pub fn hedges<S: Callee>(callee: S) -> Vec<Named> {
    let mut hedges = shared_hedges(callee);
    hedges.push(("tower: Hedge", Box::new(move || Box::new(Alone(PeerHedge::new(callee, All, 100, 0.98, SECONDS))))));
    hedges
}

pub fn shared_hedges<S: Callee>(callee: S) -> Vec<Named> {
    let rules = || ErrorsOnly.idempotent(|_: &u64| true);
    vec![
        named("bare call", move || callee),
        named("windbreak: after", move || {
            ServiceBuilder::new().layer(HedgeLayer::after(SECONDS, rules())).layer(ServiceErrorLayer).service(callee)
        }),
        named("windbreak: extra_load", move || {
            let layer = HedgeLayer::extra_load(EXTRA_LOAD, rules()).expect("its number is valid");
            ServiceBuilder::new().layer(layer).layer(ServiceErrorLayer).service(callee)
        }),
        named("windbreak: after, not idempotent", move || {
            ServiceBuilder::new().layer(HedgeLayer::after(SECONDS, ErrorsOnly)).layer(ServiceErrorLayer).service(callee)
        }),
    ]
}

pub fn faults<S: Callee>(callee: S) -> Vec<Named> {
    vec![
        named("bare call", move || callee),
        named("windbreak: Faults, off", move || ServiceBuilder::new().layer(Faults::new().layer()).service(callee)),
    ]
}

/// Every request may be sent again.
#[derive(Debug, Clone)]
struct All;

impl Policy<u64> for All {
    fn clone_request(&self, request: &u64) -> Option<u64> {
        Some(*request)
    }

    fn can_retry(&self, _: &u64) -> bool {
        true
    }
}
