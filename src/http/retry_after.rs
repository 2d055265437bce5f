use std::time::{Duration, SystemTime};

use http::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// Not a standard, but finer than one: milliseconds, as sent by some cloud services.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// How long the server asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date
/// ([RFC 9110, section 10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)).
///
/// A date is taken against the server's own `Date`, so that its clock may differ from ours; without one, against ours.
/// What cannot be read counts as not said.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    if let Some(millis) = text(headers, &RETRY_AFTER_MS).and_then(number) {
        return Some(Duration::from_millis(millis));
    }
    let value = text(headers, &RETRY_AFTER)?;
    if let Some(seconds) = number(value) {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    Some(until.duration_since(server_time(headers)).unwrap_or(Duration::ZERO))
}

/// The time by the server's own clock, if it says so; by ours otherwise.
pub(super) fn server_time(headers: &HeaderMap) -> SystemTime {
    text(headers, &DATE).and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or_else(wall_clock)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// Digits and nothing else, as the grammar has it: `parse` also accepts a plus sign.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[allow(clippy::disallowed_methods, reason = "a date can only be told from the wall clock")]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn every_form_is_read() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        for (pairs, expected) in [
            (&[("retry-after", "120")][..], Some(Duration::from_secs(120))),
            (&[("retry-after", " 7 ")], Some(Duration::from_secs(7))),
            (&[("retry-after-ms", "1500"), ("retry-after", "2")], Some(Duration::from_millis(1500))),
            (&[date, ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")], Some(Duration::from_secs(30))),
            (&[date, ("retry-after", "Sun, 06 Nov 1994 08:49:07 GMT")], Some(Duration::ZERO)),
            (&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")], Some(Duration::ZERO)),
            (&[("retry-after", "18446744073709551615")], Some(Duration::from_secs(u64::MAX))),
            (&[("retry-after", "18446744073709551616")], None),
            (&[("retry-after", "-1")], None),
            (&[("retry-after", "+5")], None),
            (&[("retry-after-ms", "+5")], None),
            (&[("retry-after-ms", "+5"), ("retry-after", "2")], Some(Duration::from_secs(2))),
            (&[("retry-after", "")], None),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "1.5")], None),
            (&[], None),
        ] {
            assert_eq!(retry_after(&headers(pairs)), expected, "{pairs:?}");
        }
    }

    #[test]
    fn a_date_without_the_servers_clock_is_taken_against_ours() {
        let until = httpdate::fmt_http_date(wall_clock() + Duration::from_secs(100));
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, until.parse().unwrap());
        let wait = retry_after(&headers).unwrap();
        assert!(wait > Duration::from_secs(90) && wait <= Duration::from_secs(100), "{wait:?}");
    }
}
