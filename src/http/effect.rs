use std::error::Error;
use std::io;

use crate::classify::Effect;

/// Whether a request that ended with `error` can have taken effect.
///
/// The clients wrap one another's errors, and what `reqwest::Error` says of itself is too coarse; so this walks the
/// chain of sources for the part that knows. Everything that is not known to be harmless is `Unknown`.
pub(super) fn effect_of(error: &(dyn Error + 'static)) -> Effect {
    let mut next = Some(error);
    while let Some(error) = next {
        if never_processed(error) {
            return Effect::None;
        }
        next = error.source();
    }
    Effect::Unknown
}

fn never_processed(error: &(dyn Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
        // Refused, no such host, connect timeout, handshake: nothing of the request was sent.
        return error.is_connect();
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        // The connection closed before the request was taken from the queue.
        return error.is_canceled();
    }
    if let Some(error) = error.downcast_ref::<h2::Error>() {
        // RFC 9113, section 8.7: with REFUSED_STREAM, or with a number above the last stream of a GOAWAY, the server
        // has done nothing. The h2 crate reports a GOAWAY only to streams above it.
        return match error.reason() {
            Some(h2::Reason::REFUSED_STREAM) => error.is_reset(),
            Some(h2::Reason::NO_ERROR) => error.is_go_away() && error.is_remote(),
            _ => false,
        };
    }
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}
