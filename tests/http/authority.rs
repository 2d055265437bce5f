//! The key for a host: one, however it is spelt, and without a secret in it.

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use proptest::prelude::*;
use windbreak::http::authority;

fn hyper_get(url: &str) -> Request<Full<Bytes>> {
    Request::get(url).body(Full::default()).expect("the test has a good URL")
}

fn reqwest_get(url: &str) -> reqwest::Request {
    reqwest::Request::new(Method::GET, url.parse().expect("the test has a good URL"))
}

#[test]
fn clients_name_a_host_alike() {
    for (url, expected) in [
        ("http://Example.ORG/a", "example.org"),
        ("http://example.org:8080/", "example.org:8080"),
        ("https://example.org/?q=1#top", "example.org"),
        ("http://127.0.0.1:99/", "127.0.0.1:99"),
        ("http://[::1]:99/", "[::1]:99"),
    ] {
        assert_eq!(authority(&reqwest_get(url)), expected);
        let url = url.split('#').next().unwrap();
        assert_eq!(authority(&hyper_get(url)), expected);
    }
    assert_eq!(authority(&hyper_get("/only/a/path")), "");
}

#[test]
fn every_spelling_of_a_host_is_one_key() {
    for (expected, urls) in [
        (
            "example.org",
            &[
                "http://example.org",
                "http://EXAMPLE.org/",
                "http://example.org:80/",
                "http://example.org:080/",
                "http://example.org:/",
                "http://example.org./",
                "http://Example.Org.:80/",
                "https://example.org/",
                "https://example.org:443/",
                "http://user@example.org/",
                "http://user:secret@example.org:80/",
                "http://:secret@example.org/",
            ][..],
        ),
        ("example.org:443", &["http://example.org:443/", "http://a:b@EXAMPLE.org.:443/"]),
        ("example.org:80", &["https://example.org:80/"]),
        ("[::1]", &["http://[::1]/", "http://[0:0:0:0:0:0:0:1]:80/", "http://a@[::1]:80/"]),
        ("[fe80::a]:81", &["http://[FE80::A]:81/", "http://[fe80::000a]:81/"]),
        ("[::ffff:1.2.3.4]", &["http://[::ffff:1.2.3.4]/", "http://[::ffff:102:304]/"]),
        ("127.0.0.1", &["http://127.0.0.1/", "http://127.0.0.1.:80/"]),
    ] {
        for url in urls {
            assert_eq!(authority(&hyper_get(url)), expected, "{url}");
            assert_eq!(authority(&reqwest_get(url)), expected, "{url}");
        }
    }
}

#[test]
fn a_host_without_end_is_a_key_with_an_end() {
    // Longer than any name of DNS, so that nobody is there; but what a stranger sends must not fill a map.
    for host in ["x".repeat(253), "x".repeat(256), "x".repeat(60_000), format!("{}..x", "x".repeat(254))] {
        let (length, url) = (host.len(), format!("http://{host}:8080/"));
        let (hyper, reqwest) =
            (authority(&hyper_get(&url)), reqwest::Url::parse(&url).map(|_| authority(&reqwest_get(&url))));
        assert!(hyper.len() <= 255 + ":8080".len() && hyper.ends_with("x:8080"), "{length}");
        assert!(reqwest.is_err() || reqwest == Ok(hyper), "{length}");
    }
}

proptest! {
    #[test]
    fn no_key_shows_a_password_and_each_is_its_own_key(
        secret in "[a-z0-9!$&'()*+,;=%]{6,12}",
        host in "[A-Za-z0-9-]{1,40}(\\.[A-Za-z0-9]{1,40}){0,6}\\.?",
        port in proptest::option::of(0_u16..),
        secure: bool,
    ) {
        let scheme = if secure { "https" } else { "http" };
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let url = format!("{scheme}://user:{secret}Q@{host}{port}/");
        let Ok(request) = Request::get(&url).body(()) else { return Ok(()) };
        let key = authority(&request);
        // "Q" is in no host in lower case.
        prop_assert!(!key.contains(['@', 'Q', '/']) && key == key.to_ascii_lowercase(), "{url}: {key}");
        let plain = format!("{scheme}://{}{port}/", host.trim_end_matches('.'));
        prop_assert_eq!(&authority(&Request::get(&plain).body(()).unwrap()), &key);
        let again = format!("{scheme}://{key}/");
        prop_assert_eq!(&authority(&Request::get(&again).body(()).unwrap()), &key, "it is a key of its own");
        if let Ok(url) = reqwest::Url::parse(&url) {
            // Numbers in other spellings are addresses to reqwest, and names to hyper.
            if url.domain().is_some() {
                prop_assert_eq!(authority(&reqwest::Request::new(Method::GET, url)), key);
            }
        }
    }
}
