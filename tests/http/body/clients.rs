//! Both clients are put under a layer, and their responses are read in the same way.

use std::error::Error as StdError;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Body;
use tower::{Layer, Service, ServiceBuilder};
use windbreak::Error;

pub(super) type BoxError = Box<dyn StdError + Send + Sync>;

/// What the tests ask of an answer, whichever client it comes from.
pub(super) trait Answer {
    async fn next(&mut self) -> Option<Result<Bytes, BoxError>>;

    async fn to_end(mut self) -> Result<Vec<u8>, BoxError>
    where
        Self: Sized,
    {
        let mut all = Vec::new();
        while let Some(data) = self.next().await {
            all.extend(data?);
        }
        Ok(all)
    }
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin> Answer for Response<B> {
    async fn next(&mut self) -> Option<Result<Bytes, BoxError>> {
        let frame = self.body_mut().frame().await?;
        Some(frame.map(|frame| frame.into_data().unwrap_or_default()).map_err(Into::into))
    }
}

impl Answer for reqwest::Response {
    async fn next(&mut self) -> Option<Result<Bytes, BoxError>> {
        self.chunk().await.map_err(Into::into).transpose()
    }
}

pub(super) fn hyper_get(url: &str) -> Request<Full<Bytes>> {
    Request::get(url).body(Full::default()).expect("the test has a good URL")
}

pub(super) fn reqwest_get(url: &str) -> reqwest::Request {
    reqwest::Request::new(http::Method::GET, url.parse().expect("the test has a good URL"))
}

/// Both clients under a layer, and how to ask them.
macro_rules! each_client {
    ($layer:expr, |$client:ident, $get:ident| $body:expr) => {{
        use $crate::body::clients::{hyper_get, reqwest_get, under};
        use $crate::support::http::{Version, hyper_client, reqwest_client};

        {
            let ($client, $get) = (under($layer, hyper_client(Version::Http1)), hyper_get);
            $body
        }
        {
            let ($client, $get) = (under($layer, reqwest_client(Version::Http1)), reqwest_get);
            $body
        }
    }};
}

pub(super) use each_client;

pub(super) fn under<L, S, R>(layer: L, client: S) -> L::Service
where
    L: Layer<tower::util::MapErr<S, fn(S::Error) -> Error<S::Error>>>,
    S: Service<R>,
{
    ServiceBuilder::new().layer(layer).map_err(Error::Service as fn(S::Error) -> Error<S::Error>).service(client)
}
