use tower::util::BoxCloneService;
use tower::{ServiceBuilder, service_fn};
use windbreak::{Error, RetryLayer, RetryPolicy};

// advice: #[derive(Clone)]
struct Order;

fn main() {
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new(RetryPolicy::builder().build().unwrap()))
        .map_err(Error::Service)
        .service(service_fn(|_: Order| async { Ok::<_, std::io::Error>(()) }));
    let _ = BoxCloneService::new(client);
}
