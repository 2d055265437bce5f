use std::error::Error;
use std::io;

use hyper_util::client::legacy;

use super::chain::{inner, opened, parts};

/// Whether the client that gave `error` may have followed redirects. Then it may be that another request ended with it, so
/// that nothing is known of the first.
///
/// Only a client that is known to follow none is believed: hyper, and who gives its error or an `io::Error` as it is.
/// reqwest follows them. An error of any other type may be that of a client we do not know, such as another version
/// of reqwest, or may be about a call that is not the request: all of that looks the same from here.
pub(in crate::http) fn may_be_redirected(error: &(dyn Error + 'static)) -> bool {
    let error = opened(error);
    if let (Some(io), Some(inner)) = (error.downcast_ref::<io::Error>(), inner(error)) {
        // One that says so itself, or else what is in it.
        return match io.kind() {
            io::ErrorKind::ConnectionRefused => parts(inner).any(is_reqwest),
            _ => may_be_redirected(inner),
        };
    }
    !(error.is::<legacy::Error>() || error.is::<hyper::Error>() || error.is::<h2::Error>() || error.is::<io::Error>())
}

#[cfg(feature = "reqwest")]
fn is_reqwest(error: &(dyn Error + 'static)) -> bool {
    error.is::<reqwest::Error>()
}

#[cfg(not(feature = "reqwest"))]
fn is_reqwest(_: &(dyn Error + 'static)) -> bool {
    false
}
