use std::time::{Duration, SystemTime};

use http::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// Not a standard, but finer than one: milliseconds, as sent by some cloud services.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// How long the server asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date
/// ([RFC 9110, section 10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)).
///
/// A date is taken against the server's own `Date`, so that its clock may differ from ours; without one, against ours.
/// What cannot be read counts as not said, and so does a number above 64 bits. Of several fields the first counts. A wait
/// may be of any length: whoever obeys it has a bound of its own.
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
    use proptest::prelude::*;

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
            (&[("retry-after", "000000000000000000000000000007")], Some(Duration::from_secs(7))),
            (&[("retry-after", "7"), ("retry-after", "9")], Some(Duration::from_secs(7))),
            (&[("retry-after", "7, 9")], None),
            (&[date, ("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT")], Some(Duration::from_secs(252_618_189_022))),
            (&[date, ("retry-after", "Sat, 01 Jan 10000 00:00:00 GMT")], None),
            (&[("retry-after-ms", "18446744073709551616"), ("retry-after", "2")], Some(Duration::from_secs(2))),
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

    proptest! {
        #[test]
        fn no_value_is_too_odd(
            name in prop::sample::select(vec![RETRY_AFTER, RETRY_AFTER_MS, DATE]),
            value in prop_oneof![
                "[ +-]{0,2}[0-9]{0,40}(\\.[0-9])?",
                "[A-Z][a-z]{2}, [0-9]{2} (Feb|Dec) [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT",
                "[\\x20-\\x7e\\x80-\\xff]{0,40}",
            ],
        ) {
            let mut headers = headers(&[("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("retry-after", "Sun, 06 Nov 1994 08:49:39 GMT")]);
            headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            let _ = retry_after(&headers);
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
