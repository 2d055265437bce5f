//! What a provider says, or what stands between says in its place.

use bytes::Bytes;
use http::{Request, Response};
use payments::domain::{Key, Provider};
use payments::gateway::{Charge, Client, Wire, WireError};
use windbreak::Effect;

/// Answers everything with a 200 and the same body.
#[derive(Debug, Clone)]
struct Says(&'static str);

impl Wire for Says {
    async fn send(&self, _: Request<Bytes>) -> Result<Response<Bytes>, WireError> {
        Ok(Response::new(self.0.into()))
    }
}

fn key() -> Key {
    Key { order: "a".to_owned(), attempt: 1 }
}

/// It would be moved to the other provider, and charged twice.
#[tokio::test]
async fn a_void_has_succeeded_only_if_the_provider_says_so_of_this_payment() {
    let alpha = [
        ("<html>maintenance", false),
        (r#"{"reference":"b.1","status":"voided"}"#, false),
        (r#"{"reference":"a.1","status":"captured","amount":1250}"#, false),
        (r#"{"reference":"a.1","status":"voided"}"#, true),
    ];
    let beta = [("<html>maintenance", false), ("code=0000&order_no=b.1", false), ("code=0000&order_no=a.1", true)];
    let rows = alpha.map(|row| (Provider::Alpha, row)).into_iter().chain(beta.map(|row| (Provider::Beta, row)));
    for (provider, (body, is_voided)) in rows {
        let voided = Client::new(provider, Says(body)).void(&key()).await;
        assert_eq!(voided.is_ok(), is_voided, "{provider}: {body}");
    }
}

#[tokio::test]
async fn a_charge_is_that_of_the_order_that_it_names() {
    let rows = [
        (Provider::Alpha, r#"{"reference":"b.1","status":"captured","amount":1250}"#),
        (Provider::Beta, "code=0000&order_no=b.1&sum=12.50&txn=r1"),
        (Provider::Beta, "code=0000&sum=12.50&txn=r1"),
    ];
    for (provider, body) in rows {
        let client = Client::new(provider, Says(body));
        assert_eq!(client.charge(Charge { key: key(), cents: 1_250 }).await.unwrap_err().effect, Effect::Unknown);
        client.find(&key()).await.unwrap_err();
    }
}
