//! Alpha speaks JSON, with statuses of HTTP and codes in words.

use bytes::Bytes;
use http::{Method, Request, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{Ask, Tell, respond};
use super::books::{Payment, Standing};

#[derive(Deserialize)]
struct Body {
    reference: String,
    #[serde(default)]
    amount: u64,
}

pub(super) fn parse(request: &Request<Bytes>) -> Ask {
    let body = || serde_json::from_slice::<Body>(request.body());
    let path = request.uri().path();
    match (request.method(), path) {
        (&Method::POST, "/v1/payments") => match body() {
            Ok(Body { reference, amount }) if amount > 0 => Ask::Charge { key: reference, cents: amount },
            Ok(_) => Ask::Nonsense("amount must be positive".to_owned()),
            Err(error) => Ask::Nonsense(error.to_string()),
        },
        (&Method::POST, "/v1/voids") => match body() {
            Ok(body) => Ask::Void { key: body.reference },
            Err(error) => Ask::Nonsense(error.to_string()),
        },
        (&Method::GET, "/v1/payments") => Ask::List,
        (&Method::GET, path) => match path.strip_prefix("/v1/payments/") {
            Some(key) => Ask::Find { key: key.to_owned() },
            None => Ask::Nonsense(format!("no such resource: {path}")),
        },
        _ => Ask::Nonsense(format!("no such resource: {path}")),
    }
}

pub(super) fn render(tell: &Tell<'_>) -> Response<Bytes> {
    let json = |status, value: Value| respond(status, "application/json", value.to_string());
    let error = |status, code: &str| json(status, json!({ "error": { "code": code } }));
    match tell {
        Tell::Payment(key, payment) => match payment.standing {
            Standing::Charged => json(201, object(key, payment)),
            Standing::Processing(_) => json(202, object(key, payment)),
            Standing::Declined => error(402, "card_declined"),
            Standing::Closed => error(409, "reference_voided"),
        },
        Tell::Voided(key) => json(200, json!({ "reference": key, "status": "voided" })),
        Tell::NotFound => error(404, "unknown_reference"),
        Tell::Busy => error(503, "not_processed"),
        Tell::Failed => error(500, "internal"),
        Tell::Unreadable => respond(200, "application/json", r#"{"reference":"#.to_owned()),
        Tell::List(payments) => {
            json(200, payments.iter().map(|(key, payment)| object(key, payment)).collect::<Vec<_>>().into())
        }
        Tell::Nonsense(why) => json(400, json!({ "error": { "code": "bad_request", "detail": why } })),
    }
}

pub(super) fn callback(key: &str, payment: &Payment) -> Bytes {
    object(key, payment).to_string().into()
}

fn object(key: &str, payment: &Payment) -> Value {
    let status = match payment.standing {
        Standing::Charged => "captured",
        Standing::Processing(_) => "processing",
        Standing::Declined => "declined",
        Standing::Closed => "voided",
    };
    json!({ "reference": key, "amount": payment.cents, "status": status, "receipt": payment.receipt })
}
