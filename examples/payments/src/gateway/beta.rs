//! Beta: forms, always 200, codes in numbers, decimal amounts, and a report of lines.

use bytes::Bytes;
use http::{Method, Request, Response};
use serde::Deserialize;

use super::api::{Api, CallbackNews, Found, Listed, UNREADABLE, answer, request};
use super::charge::{Answer, Charge, PayError};
use crate::domain::{Key, Provider};

pub(super) struct Beta;

#[derive(Deserialize)]
struct Reply {
    code: String,
    order_no: Option<String>,
    #[serde(default)]
    sum: String,
    #[serde(default)]
    txn: String,
}

fn post(path: &str, fields: &[(&str, String)]) -> Request<Bytes> {
    let body = serde_urlencoded::to_string(fields).expect("pairs of text");
    request(Method::POST, path, "application/x-www-form-urlencoded", body)
}

/// Cents from `12.34`.
fn cents(sum: &str) -> Option<u64> {
    let (whole, rest) = sum.split_once('.')?;
    if rest.len() != 2 || !sum.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    whole.parse::<u64>().ok()?.checked_mul(100)?.checked_add(rest.parse().ok()?)
}

fn found(code: &str, sum: &str, txn: &str) -> Result<Found, PayError> {
    match code {
        "0000" => Ok(Found::Charged { cents: cents(sum).ok_or(UNREADABLE)?, receipt: txn.to_owned() }),
        "0001" => Ok(Found::Processing),
        "1201" => Ok(Found::Declined),
        "4004" => Ok(Found::NotFound),
        "4009" => Ok(Found::Closed),
        "5000" => Err(PayError::refused("5000").permanent()),
        "9002" => Err(PayError::refused("9002")),
        _ => Err(PayError::unclear("9999")),
    }
}

fn find(key: &Key, response: &Response<Bytes>) -> Result<Found, PayError> {
    if response.status() != 200 {
        return Err(PayError::unclear("status"));
    }
    let reply: Reply = serde_urlencoded::from_bytes(response.body()).map_err(|_| UNREADABLE)?;
    let another = Err(PayError::unclear("another payment"));
    match &reply.order_no {
        Some(order_no) if *order_no != key.to_string() => another,
        Some(_) => found(&reply.code, &reply.sum, &reply.txn),
        // Only what is no payment has no order.
        None => match found(&reply.code, &reply.sum, &reply.txn) {
            Ok(Found::NotFound) => Ok(Found::NotFound),
            Ok(_) => another,
            Err(error) => Err(error),
        },
    }
}

impl Api for Beta {
    fn provider(&self) -> Provider {
        Provider::Beta
    }

    fn charge(&self, charge: &Charge) -> Request<Bytes> {
        let sum = format!("{}.{:02}", charge.cents / 100, charge.cents % 100);
        post("/pay", &[("order_no", charge.key.to_string()), ("sum", sum)])
    }

    fn read_charge(&self, charge: &Charge, response: &Response<Bytes>) -> Result<Answer, PayError> {
        answer(Provider::Beta, find(&charge.key, response)?)
    }

    fn find(&self, key: &Key) -> Request<Bytes> {
        post("/query", &[("order_no", key.to_string())])
    }

    fn read_find(&self, key: &Key, response: &Response<Bytes>) -> Result<Found, PayError> {
        find(key, response)
    }

    fn void(&self, key: &Key) -> Request<Bytes> {
        post("/netcancel", &[("order_no", key.to_string())])
    }

    fn read_void(&self, key: &Key, response: &Response<Bytes>) -> Result<(), PayError> {
        let reply: Reply = serde_urlencoded::from_bytes(response.body()).map_err(|_| UNREADABLE)?;
        let is_voided = response.status() == 200 && reply.code == "0000" && reply.order_no == Some(key.to_string());
        if is_voided { Ok(()) } else { Err(PayError::unclear("not voided")) }
    }

    fn list(&self) -> Request<Bytes> {
        request(Method::GET, "/settlement", "text/csv", String::new())
    }

    fn read_list(&self, response: &Response<Bytes>) -> Result<Vec<Listed>, PayError> {
        let text = std::str::from_utf8(response.body()).map_err(|_| UNREADABLE)?;
        let mut lines = text.lines();
        if lines.next() != Some("order_no;sum;code;txn") {
            return Err(UNREADABLE);
        }
        lines
            .map(|line| {
                let fields: Vec<&str> = line.split(';').collect();
                let [key, sum, code, txn] = fields[..] else { return Err(UNREADABLE) };
                Ok(Listed { key: key.to_owned(), found: found(code, sum, txn)? })
            })
            .collect()
    }

    fn read_callback(&self, body: &[u8]) -> Result<CallbackNews, String> {
        let reply: Reply = serde_urlencoded::from_bytes(body).map_err(|error| error.to_string())?;
        let order_no = reply.order_no.ok_or("`order_no` is missing")?;
        let key = Key::parse(&order_no).ok_or_else(|| format!("`order_no` is {order_no:?}: no key of ours"))?;
        let found = found(&reply.code, &reply.sum, &reply.txn)
            .map_err(|_| format!("`code` is {:?} with `sum` {:?}: no outcome", reply.code, reply.sum))?;
        Ok(CallbackNews { key, found })
    }
}
