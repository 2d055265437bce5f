//! Alpha: JSON, statuses of HTTP, codes in words.

use bytes::Bytes;
use http::{Method, Request, Response};
use serde::Deserialize;
use serde_json::json;

use super::api::{Api, CallbackNews, Found, Listed, UNREADABLE, answer, request};
use super::charge::{Answer, Charge, PayError};
use crate::domain::{Key, Provider};

pub(super) struct Alpha;

#[derive(Deserialize)]
struct Payment {
    reference: String,
    amount: u64,
    status: String,
    #[serde(default)]
    receipt: String,
}

#[derive(Deserialize)]
struct Voided {
    reference: String,
    status: String,
}

#[derive(Deserialize)]
struct Refusal {
    error: Code,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

impl Payment {
    fn found(self) -> Option<Found> {
        Some(match self.status.as_str() {
            "captured" => Found::Charged { cents: self.amount, receipt: self.receipt },
            "processing" => Found::Processing,
            "declined" => Found::Declined,
            "voided" => Found::Closed,
            _ => return None,
        })
    }
}

fn post(path: &str, body: &serde_json::Value) -> Request<Bytes> {
    request(Method::POST, path, "application/json", body.to_string())
}

fn find(key: &Key, response: &Response<Bytes>) -> Result<Found, PayError> {
    if response.status().is_success() {
        let payment: Payment = serde_json::from_slice(response.body()).map_err(|_| UNREADABLE)?;
        if payment.reference != key.to_string() {
            return Err(PayError::unclear("another payment"));
        }
        return payment.found().ok_or(UNREADABLE);
    }
    let refusal: Refusal = serde_json::from_slice(response.body()).map_err(|_| UNREADABLE)?;
    match refusal.error.code.as_str() {
        "card_declined" => Ok(Found::Declined),
        "reference_voided" => Ok(Found::Closed),
        "unknown_reference" => Ok(Found::NotFound),
        "not_processed" => Err(PayError::refused("not_processed")),
        "bad_request" => Err(PayError::refused("bad_request").permanent()),
        _ => Err(PayError::unclear("internal")),
    }
}

impl Api for Alpha {
    fn provider(&self) -> Provider {
        Provider::Alpha
    }

    fn charge(&self, charge: &Charge) -> Request<Bytes> {
        post("/v1/payments", &json!({ "reference": charge.key.to_string(), "amount": charge.cents }))
    }

    fn read_charge(&self, charge: &Charge, response: &Response<Bytes>) -> Result<Answer, PayError> {
        answer(Provider::Alpha, find(&charge.key, response)?)
    }

    fn find(&self, key: &Key) -> Request<Bytes> {
        request(Method::GET, &format!("/v1/payments/{key}"), "application/json", String::new())
    }

    fn read_find(&self, key: &Key, response: &Response<Bytes>) -> Result<Found, PayError> {
        find(key, response)
    }

    fn void(&self, key: &Key) -> Request<Bytes> {
        post("/v1/voids", &json!({ "reference": key.to_string() }))
    }

    fn read_void(&self, key: &Key, response: &Response<Bytes>) -> Result<(), PayError> {
        let voided: Voided = serde_json::from_slice(response.body()).map_err(|_| UNREADABLE)?;
        let is_voided = response.status() == 200 && voided.status == "voided" && voided.reference == key.to_string();
        if is_voided { Ok(()) } else { Err(PayError::unclear("not voided")) }
    }

    fn list(&self) -> Request<Bytes> {
        request(Method::GET, "/v1/payments", "application/json", String::new())
    }

    fn read_list(&self, response: &Response<Bytes>) -> Result<Vec<Listed>, PayError> {
        let payments: Vec<Payment> = serde_json::from_slice(response.body()).map_err(|_| UNREADABLE)?;
        payments
            .into_iter()
            .map(|payment| Some(Listed { key: payment.reference.clone(), found: payment.found()? }))
            .collect::<Option<_>>()
            .ok_or(UNREADABLE)
    }

    fn read_callback(&self, body: &[u8]) -> Result<CallbackNews, String> {
        let payment: Payment = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let reference = &payment.reference;
        let key = Key::parse(reference).ok_or_else(|| format!("`reference` is {reference:?}: no key of ours"))?;
        let status = payment.status.clone();
        let found = payment.found().ok_or_else(|| format!("`status` is {status:?}, which is unknown"))?;
        Ok(CallbackNews { key, found })
    }
}
