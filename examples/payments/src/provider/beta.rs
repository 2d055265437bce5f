//! Beta speaks forms, always with status 200 and codes in numbers. Amounts are decimal, and its report is lines of text.

use std::fmt::Write as _;

use bytes::Bytes;
use http::{Method, Request, Response};
use serde::Deserialize;

use super::api::{Ask, Tell, respond};
use super::books::{Payment, Standing};

#[derive(Deserialize)]
struct Body {
    order_no: String,
    #[serde(default)]
    sum: String,
}

pub(super) fn parse(request: &Request<Bytes>) -> Ask {
    let body = || serde_urlencoded::from_bytes::<Body>(request.body());
    match (request.method(), request.uri().path(), body()) {
        (&Method::GET, "/settlement", _) => Ask::List,
        (&Method::POST, "/pay", Ok(Body { order_no, sum })) => match cents(&sum) {
            Some(cents @ 1..) => Ask::Charge { key: order_no, cents },
            _ => Ask::Nonsense(format!("sum {sum:?}")),
        },
        (&Method::POST, "/query", Ok(body)) => Ask::Find { key: body.order_no },
        (&Method::POST, "/netcancel", Ok(body)) => Ask::Void { key: body.order_no },
        (_, path, _) => Ask::Nonsense(format!("no such resource: {path}")),
    }
}

pub(super) fn render(tell: &Tell<'_>) -> Response<Bytes> {
    let form = |body: String| respond(200, "application/x-www-form-urlencoded", body);
    match tell {
        Tell::Payment(key, payment) => form(fields(key, payment)),
        Tell::Voided(key) => form(format!("code=0000&order_no={key}")),
        Tell::NotFound => form("code=4004".to_owned()),
        Tell::Busy => form("code=9002".to_owned()),
        Tell::Failed => form("code=9999".to_owned()),
        Tell::Unreadable => form("<html>maintenance".to_owned()),
        Tell::List(payments) => {
            let mut lines = String::from("order_no;sum;code;txn\n");
            for (key, payment) in payments {
                writeln!(lines, "{key};{};{};{}", sum(payment.cents), code(payment), payment.receipt)
                    .expect("a string takes it");
            }
            respond(200, "text/csv", lines)
        }
        Tell::Nonsense(_) => form("code=5000".to_owned()),
    }
}

pub(super) fn callback(key: &str, payment: &Payment) -> Bytes {
    fields(key, payment).into()
}

fn fields(key: &str, payment: &Payment) -> String {
    format!("code={}&order_no={key}&sum={}&txn={}", code(payment), sum(payment.cents), payment.receipt)
}

const fn code(payment: &Payment) -> &'static str {
    match payment.standing {
        Standing::Charged => "0000",
        Standing::Processing(_) => "0001",
        Standing::Declined => "1201",
        Standing::Closed => "4009",
    }
}

fn sum(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn cents(sum: &str) -> Option<u64> {
    let (whole, rest) = sum.split_once('.')?;
    let (whole, rest) = (whole.parse::<u64>().ok()?, rest.parse::<u64>().ok().filter(|_| rest.len() == 2)?);
    whole.checked_mul(100)?.checked_add(rest)
}
