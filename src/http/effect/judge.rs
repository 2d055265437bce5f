use std::error::Error;
use std::io;

use hyper_util::client::legacy;

use super::cause::{Cause, CauseKind};
use super::chain::{opened, parts};
use super::connect::of_connect;

/// What is known of an error: of the request that ended with it, which is not the one that the client was given if it
/// [may have been redirected](super::may_be_redirected).
///
/// The clients wrap one another's errors, and what `reqwest::Error` says of itself is too coarse; so this walks the
/// parts for the first that knows. Everything that is not known to be harmless has an unknown effect.
pub(in crate::http) fn cause_of(error: &(dyn Error + 'static)) -> Cause {
    let is_refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if opened(error).downcast_ref().is_some_and(is_refused) {
        // Only if it is one. Inside another error it may be that of any connection, as to a cache, after the order was
        // placed.
        return Cause::not_applied(CauseKind::ConnectionRefused);
    }
    let mut timed_out = false;
    for part in parts(error) {
        match said_by(part) {
            Some(Cause { kind: CauseKind::Connect, .. }) if timed_out => {
                return Cause::not_applied(CauseKind::ConnectTimeout);
            }
            Some(cause) => return cause,
            // It says so of all that is behind it; its own timeout has no type that we can see.
            None => timed_out |= is_reqwest_timeout(part),
        }
    }
    Cause::unknown(if timed_out { CauseKind::Timeout } else { CauseKind::Other })
}

/// What this part knows; `None` leaves it to the next.
fn said_by(part: &(dyn Error + 'static)) -> Option<Cause> {
    if let Some(error) = part.downcast_ref::<legacy::Error>() {
        return of_legacy(error);
    }
    if let Some(error) = part.downcast_ref::<hyper::Error>() {
        return of_hyper(error);
    }
    if let Some(error) = part.downcast_ref::<h2::Error>() {
        return Some(of_h2(error));
    }
    if let Some(error) = part.downcast_ref::<io::Error>() {
        return of_io(error).map(Cause::unknown);
    }
    is_reqwest_caller(part).then_some(Cause::not_applied(CauseKind::Caller))
}

fn of_legacy(error: &legacy::Error) -> Option<Cause> {
    if error.is_connect() {
        return Some(of_connect(error));
    }
    // All others have a source: a relative URI, a version or a method that the client does not know.
    error.source().is_none().then_some(Cause::not_applied(CauseKind::Caller))
}

fn of_hyper(error: &hyper::Error) -> Option<Cause> {
    if error.is_user() {
        // The body of the request failed, when a part of it may have been sent. What is behind that is an error of
        // somebody else's: of another connection, if the body comes from one.
        return Some(Cause::unknown(CauseKind::Caller));
    }
    if error.is_canceled() {
        // The connection closed before the request was taken from the queue.
        return Some(Cause::not_applied(CauseKind::NotProcessed));
    }
    let kind = if error.is_timeout() {
        CauseKind::Timeout
    } else if error.is_incomplete_message() || error.is_closed() {
        CauseKind::Closed
    } else if error.is_parse() {
        CauseKind::Protocol
    } else {
        return None;
    };
    Some(Cause::unknown(kind))
}

/// RFC 9113, section 8.7: with `REFUSED_STREAM`, or with a number above the last stream of a graceful `GOAWAY`, the server
/// has done nothing. The h2 crate reports a `GOAWAY` only to streams above it.
fn of_h2(error: &h2::Error) -> Cause {
    if let Some(error) = error.get_io() {
        return Cause::unknown(of_io(error).unwrap_or(CauseKind::Closed));
    }
    // Only the server can say that it did nothing: hyper resets a stream whose request body failed with the reason that
    // it finds in that failure.
    match error.reason() {
        Some(h2::Reason::REFUSED_STREAM) if error.is_reset() && error.is_remote() => {
            Cause::not_applied(CauseKind::NotProcessed)
        }
        Some(h2::Reason::NO_ERROR) if error.is_go_away() && error.is_remote() => {
            Cause::not_applied(CauseKind::NotProcessed)
        }
        _ if error.is_reset() && error.is_remote() => Cause::unknown(CauseKind::Reset),
        _ if error.is_go_away() && error.is_remote() => Cause::unknown(CauseKind::Closed),
        _ if error.is_reset() && !error.is_library() => Cause::unknown(CauseKind::Caller),
        _ => Cause::unknown(CauseKind::Protocol),
    }
}

fn of_io(error: &io::Error) -> Option<CauseKind> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some(CauseKind::ConnectionRefused),
        io::ErrorKind::ConnectionReset => Some(CauseKind::Reset),
        io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::NotConnected
        | io::ErrorKind::UnexpectedEof => Some(CauseKind::Closed),
        io::ErrorKind::TimedOut => Some(CauseKind::Timeout),
        _ => None,
    }
}

/// A URL that cannot be called (relative, another scheme, one that `https_only` forbids), or too many redirects.
#[cfg(feature = "reqwest")]
fn is_reqwest_caller(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<reqwest::Error>().is_some_and(|error| error.is_builder() || error.is_redirect())
}

#[cfg(feature = "reqwest")]
fn is_reqwest_timeout(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_timeout)
}

#[cfg(not(feature = "reqwest"))]
fn is_reqwest_caller(_: &(dyn Error + 'static)) -> bool {
    false
}

#[cfg(not(feature = "reqwest"))]
fn is_reqwest_timeout(_: &(dyn Error + 'static)) -> bool {
    false
}
