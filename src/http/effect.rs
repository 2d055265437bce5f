use std::error::Error;
use std::{io, iter};

use crate::rules::Effect;

/// Whether a request that ended with `error` can have taken effect. If the client followed `redirects`, it may be that
/// another request ended with it, so that nothing is known.
///
/// The clients wrap one another's errors, and what `reqwest::Error` says of itself is too coarse; so this walks the
/// chain of sources for the part that knows. Everything that is not known to be harmless is `Unknown`.
pub(super) fn effect_of(error: &(dyn Error + 'static), redirects: bool) -> Effect {
    if redirects { Effect::Unknown } else { chain(error).find_map(said_by).unwrap_or(Effect::Unknown) }
}

/// Whether `error` comes from reqwest, which follows redirects unless it is told not to.
pub(super) fn is_of_reqwest(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(is_reqwest)
}

#[cfg(feature = "reqwest")]
fn is_reqwest(error: &(dyn Error + 'static)) -> bool {
    error.is::<reqwest::Error>()
}

#[cfg(not(feature = "reqwest"))]
fn is_reqwest(_: &(dyn Error + 'static)) -> bool {
    false
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| error.source())
}

/// What this part of the chain knows; `None` leaves it to the next.
fn said_by(error: &(dyn Error + 'static)) -> Option<Effect> {
    let none_if = |harmless: bool| harmless.then_some(Effect::NotApplied);
    if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
        // Refused, no such host, connect timeout, handshake: nothing of the request was sent.
        return none_if(error.is_connect());
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        if error.is_user() {
            // The body of the request failed when a part of it may have been sent. What is behind that is an error of
            // somebody else's: of another connection, if the body comes from one.
            return Some(Effect::Unknown);
        }
        // The connection closed before the request was taken from the queue.
        return none_if(error.is_canceled());
    }
    if let Some(error) = error.downcast_ref::<h2::Error>() {
        // RFC 9113, section 8.7: with REFUSED_STREAM, or with a number above the last stream of a GOAWAY, the server
        // has done nothing. The h2 crate reports a GOAWAY only to streams above it. Only the server can say so: hyper
        // resets a stream whose request body failed with the reason that it finds in that failure.
        return none_if(match error.reason() {
            Some(h2::Reason::REFUSED_STREAM) => error.is_reset() && error.is_remote(),
            Some(h2::Reason::NO_ERROR) => error.is_go_away() && error.is_remote(),
            _ => false,
        });
    }
    none_if(error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused))
}
