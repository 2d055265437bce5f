use std::time::Duration;

use tower::util::BoxCloneService;
use tower::{ServiceBuilder, service_fn};
use windbreak::TimeoutLayer;

fn main() {
    let client = ServiceBuilder::new()
        .layer(TimeoutLayer::new(Duration::from_secs(1)))
        // advice: .map_err(windbreak::Error::Service)
        .service(service_fn(|_: u32| async { Err::<u32, _>(std::io::Error::other("down")) }));
    let _ = BoxCloneService::new(client);
}
