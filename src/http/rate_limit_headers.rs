//! What an upstream says of its own limit, in the headers of a response.
//!
//! | field | form |
//! |---|---|
//! | `RateLimit`, with `RateLimit-Policy` | `"default";r=50;t=30` ([draft-ietf-httpapi-ratelimit-headers][draft]) |
//! | `RateLimit` | `limit=100, remaining=50, reset=30` (its draft 7) |
//! | `RateLimit-Remaining`, `-Reset`, `-Limit` | seconds (its drafts up to 6) |
//! | `X-RateLimit-Remaining`, `-Reset`, `-Limit` | seconds, or a moment in seconds or milliseconds since 1970 |
//!
//! The first of them that makes sense counts. A value that is malformed, or contradicts another, is as if it had not been
//! sent.
//!
//! [draft]: https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};

use super::retry_after::{retry_after, server_time};
use super::structured_field::{Member, members};
use crate::rate_limit::UpstreamLimit;

/// From here on a number of seconds is a moment: 2001, or 31 years from now.
const FIRST_EPOCH: f64 = 1e9;
/// From here on it is one in milliseconds: 2001, or 31,000 years from now.
const FIRST_EPOCH_MILLIS: f64 = 1e12;

/// The fields that say what is left, when it is whole again, and what that is.
const STANDARD: [&str; 3] = ["ratelimit-remaining", "ratelimit-reset", "ratelimit-limit"];
const CUSTOM: [&str; 3] = ["x-ratelimit-remaining", "x-ratelimit-reset", "x-ratelimit-limit"];

/// What is left of a quota, and when it is whole again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Quota {
    remaining: u64,
    reset: Option<Duration>,
}

pub(super) fn upstream_limit(status: StatusCode, headers: &HeaderMap) -> UpstreamLimit {
    let mut limit = UpstreamLimit::default();
    // With other statuses it is about the one request: when to look again, where a page has moved.
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        limit.pause = retry_after(headers);
    }
    let now = || server_time(headers);
    let quotas = current(headers)
        .or_else(|| dictionary(headers).map(|quota| vec![quota]))
        .or_else(|| by_name(headers, STANDARD, seconds).map(|quota| vec![quota]))
        .or_else(|| by_name(headers, CUSTOM, |text| seconds_or_moment(text, now)).map(|quota| vec![quota]));
    for quota in quotas.unwrap_or_default() {
        match quota {
            Quota { remaining: 0, reset: Some(reset) } => {
                limit.pause = limit.pause.max(Some(reset)).filter(|pause| !pause.is_zero());
            }
            Quota { remaining, .. } => {
                let remaining = u32::try_from(remaining).unwrap_or(u32::MAX);
                limit.remaining = Some(limit.remaining.map_or(remaining, |least| least.min(remaining)));
            }
        }
    }
    limit
}

/// All lines of a field, as one list.
fn field(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines: Result<Vec<_>, _> = headers.get_all(name).iter().map(|value| value.to_str()).collect();
    lines.ok().filter(|lines| !lines.is_empty()).map(|lines| lines.join(","))
}

/// `"default";r=50;t=30`: one for each policy, and the strictest holds.
fn current(headers: &HeaderMap) -> Option<Vec<Quota>> {
    let text = field(headers, "ratelimit")?;
    let policies = field(headers, "ratelimit-policy");
    let policies = policies.as_deref().and_then(members).unwrap_or_default();
    let quota = |member: &Member<'_>| {
        let (remaining, reset) = (whole(member.parameter("r")?)?, member.parameter("t"));
        let reset = match reset {
            Some(reset) => Some(whole(reset)?),
            None => None,
        };
        let policy = policies.iter().find(|policy| policy.name == member.name);
        let at_most = |key| policy.and_then(|policy| policy.parameter(key)).and_then(whole).unwrap_or(u64::MAX);
        let makes_sense = remaining <= at_most("q") && reset.unwrap_or(0) <= at_most("w");
        makes_sense.then(|| Quota { remaining, reset: reset.map(Duration::from_secs) })
    };
    // One that cannot be read spoils the field; one of no sense does too, for nobody knows what the others are worth.
    members(&text)?.iter().map(quota).collect()
}

/// `limit=100, remaining=50, reset=30`.
fn dictionary(headers: &HeaderMap) -> Option<Quota> {
    let text = field(headers, "ratelimit")?;
    let members = members(&text)?;
    let value =
        |name| members.iter().rev().find(|member| member.name == name).map(|member| member.value.and_then(whole));
    let remaining = value("remaining")??;
    let reset = match value("reset") {
        Some(reset) => Some(reset?),
        None => None,
    };
    let limit = match value("limit") {
        Some(limit) => limit?,
        None => u64::MAX,
    };
    (remaining <= limit).then(|| Quota { remaining, reset: reset.map(Duration::from_secs) })
}

/// A field for each number.
fn by_name(headers: &HeaderMap, names: [&str; 3], reset_in: impl Fn(&str) -> Option<Duration>) -> Option<Quota> {
    let [remaining, reset, limit] = names;
    let value = |name: &str| {
        let mut lines = headers.get_all(name).iter().map(|value| value.to_str().ok().map(str::trim));
        let first = lines.next()?;
        // Said twice, it must be the same.
        Some(first.filter(|_| lines.all(|line| line == first)))
    };
    let remaining = whole(value(remaining)??)?;
    let reset = match value(reset) {
        Some(text) => Some(reset_in(text?)?),
        None => None,
    };
    // Some add their policies to it: `100, 100;w=60`.
    let limit = value(limit).flatten().and_then(|text| whole(text.split([',', ';']).next().unwrap_or(text).trim()));
    (remaining <= limit.unwrap_or(u64::MAX)).then_some(Quota { remaining, reset })
}

fn whole(text: &str) -> Option<u64> {
    // `parse` takes a sign too.
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn seconds(text: &str) -> Option<Duration> {
    whole(text).map(Duration::from_secs)
}

/// A number of seconds, with or without a fraction; or a moment, if it is too large to be one.
fn seconds_or_moment(text: &str, now: impl FnOnce() -> SystemTime) -> Option<Duration> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = if is_number { text.parse().ok()? } else { return None };
    let since_1970 = if number >= FIRST_EPOCH_MILLIS {
        number / 1000.0
    } else if number >= FIRST_EPOCH {
        number
    } else {
        return Duration::try_from_secs_f64(number).ok();
    };
    let moment = SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(since_1970).ok()?)?;
    Some(moment.duration_since(now()).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests;
