use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

type Pairs = [(&'static str, &'static str)];

fn headers(pairs: &Pairs) -> HeaderMap {
    pairs.iter().map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

fn says(status: u16, pairs: &Pairs) -> (Option<u64>, Option<u32>) {
    let limit = upstream_limit(StatusCode::from_u16(status).unwrap(), &headers(pairs));
    (limit.pause.map(|pause| pause.as_secs()), limit.remaining)
}

const NOTHING: (Option<u64>, Option<u32>) = (None, None);
const DATE: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");

#[test]
fn a_retry_after_pauses_where_the_upstream_wants_less() {
    for (status, expected) in
        [(429, (Some(7), None)), (503, (Some(7), None)), (202, NOTHING), (301, NOTHING), (409, NOTHING)]
    {
        assert_eq!(says(status, &[("retry-after", "7")]), expected, "{status}");
    }
}

#[test]
fn every_form_is_read() {
    for (pairs, expected) in [
        (&[("ratelimit", r#""default";r=50;t=30"#)][..], (None, Some(50))),
        (&[("ratelimit", r#""default";r=0;t=30"#)], (Some(30), None)),
        (&[("ratelimit", "default;r=0;t=30")], (Some(30), None)),
        (&[("ratelimit", r#""default";r=0"#)], (None, Some(0))),
        (&[("ratelimit", r#""day";r=50;t=30, "minute";r=3"#)], (None, Some(3))),
        (&[("ratelimit", r#""day";r=50;t=30"#), ("ratelimit", r#""minute";r=0;t=5;pk=:Y2Fm:"#)], (Some(5), Some(50))),
        (&[("ratelimit", r#""d";r=0;t=30"#), ("ratelimit-policy", r#""d";q=100;w=60"#)], (Some(30), None)),
        (&[("ratelimit", "limit=100, remaining=5, reset=30")], (None, Some(5))),
        (&[("ratelimit", "limit=100, remaining=0, reset=30")], (Some(30), None)),
        (
            &[("ratelimit-limit", "100, 100;w=60"), ("ratelimit-remaining", "0"), ("ratelimit-reset", "9")],
            (Some(9), None),
        ),
        (&[("x-ratelimit-remaining", "12"), ("x-ratelimit-reset", "9")], (None, Some(12))),
        (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "9")], (Some(9), None)),
        (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "2.5")], (Some(2), None)),
        (&[DATE, ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1784111777")], (Some(1_000_000_000), None)),
        (&[DATE, ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1784111777000")], (Some(1_000_000_000), None)),
        (&[("x-ratelimit-remaining", "99999999999")], (None, Some(u32::MAX))),
        (&[], NOTHING),
    ] {
        assert_eq!(says(200, pairs), expected, "{pairs:?}");
    }
}

#[test]
fn the_standard_counts_before_the_custom_and_the_longest_pause_wins() {
    let custom = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "99")];
    let with = |pair| [pair, custom[0], custom[1]];
    assert_eq!(says(200, &with(("ratelimit", r#""default";r=50;t=30"#))), (None, Some(50)));
    assert_eq!(says(200, &with(("ratelimit", "broken;"))), (Some(99), None));
    assert_eq!(says(429, &with(("retry-after", "7"))), (Some(99), None));
    assert_eq!(says(429, &with(("retry-after", "700"))), (Some(700), None));
}

#[test]
fn what_is_malformed_or_contradicts_itself_says_nothing() {
    for pairs in [
        &[("ratelimit", "")][..],
        &[("ratelimit", r#""default";r=-1;t=30"#)],
        &[("ratelimit", r#""default";r=0;t=-30"#)],
        &[("ratelimit", r#""default";r=many;t=30"#)],
        &[("ratelimit", r#""default";r=1.5"#)],
        &[("ratelimit", r#""default";t=30"#)],
        &[("ratelimit", r#""default";r=0;t=30,"#)],
        &[("ratelimit", r#""default";r=0;t=30, "other";r=x"#)],
        &[("ratelimit", r#""d";r=101;t=30"#), ("ratelimit-policy", r#""d";q=100;w=60"#)],
        &[("ratelimit", r#""d";r=0;t=61"#), ("ratelimit-policy", r#""d";q=100;w=60"#)],
        &[("ratelimit", "limit=100, remaining=101, reset=30")],
        &[("ratelimit", "limit=100, remaining=0, reset=soon")],
        &[("ratelimit", "limit=x, remaining=0, reset=30")],
        &[("ratelimit", "limit=100, reset=30")],
        &[("ratelimit-remaining", "0"), ("ratelimit-reset", "1.5")],
        &[("ratelimit-reset", "30")],
        &[("x-ratelimit-reset", "30")],
        &[("x-ratelimit-remaining", "+1")],
        &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "-1")],
        &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "inf")],
        &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1.2.3")],
        &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "")],
        &[("x-ratelimit-remaining", "5"), ("x-ratelimit-remaining", "6")],
        &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "5"), ("x-ratelimit-reset", "6")],
        &[("x-ratelimit-remaining", "11"), ("x-ratelimit-limit", "10")],
        // The quota is whole again.
        &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "0")],
        &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1000000000")],
    ] {
        assert_eq!(says(200, pairs), NOTHING, "{pairs:?}");
    }
}

proptest! {
    #[test]
    fn no_value_is_too_odd(
        values in prop::collection::vec((0..8_usize, r#"[a-z=,;:" .0-9-]{0,24}|[0-9]{1,400}"#), 0..6),
        status in prop_oneof![Just(200_u16), Just(429), Just(503)],
    ) {
        let names = [
            "ratelimit", "ratelimit-policy", "ratelimit-remaining", "ratelimit-reset", "x-ratelimit-remaining",
            "x-ratelimit-reset", "x-ratelimit-limit", "retry-after",
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(names[name], HeaderValue::from_str(&value).unwrap());
        }
        let _ = upstream_limit(StatusCode::from_u16(status).unwrap(), &headers);
    }
}
