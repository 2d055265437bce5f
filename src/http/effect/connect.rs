use std::error::Error;
use std::io;

use http::Uri;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use tower_service::Service;

use super::cause::{Cause, CauseKind};
use super::chain::parts;

/// The error of hyper-util's connector, which both clients have. Its type has no other name.
type HttpConnectError = <HttpConnector as Service<Uri>>::Error;

/// Why there was no connection. Whatever it was, nothing of the request was sent.
pub(super) fn of_connect(error: &legacy::Error) -> Cause {
    let mut kind = CauseKind::Connect;
    for part in parts(error).skip(1) {
        if let Some(error) = part.downcast_ref::<HttpConnectError>() {
            if error.source().is_none() {
                // A scheme that is not HTTP, or no host.
                return Cause::not_applied(CauseKind::Caller);
            }
            if error.to_string() == "dns error" {
                return of_resolver(error);
            }
        }
        let text = part.to_string().to_ascii_lowercase();
        if text.contains("certificate") {
            return Cause::not_applied(CauseKind::Tls).permanent();
        }
        match part.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => return Cause::not_applied(CauseKind::ConnectionRefused),
            Some(io::ErrorKind::TimedOut) => return Cause::not_applied(CauseKind::ConnectTimeout),
            // What rustls reports of a handshake comes as this.
            Some(io::ErrorKind::InvalidData) => kind = CauseKind::Tls,
            _ if text.contains("tls") || text.contains("ssl") => kind = CauseKind::Tls,
            _ => {}
        }
    }
    Cause::not_applied(kind)
}

/// What the C library says of a name that does not exist, and of nothing else (`EAI_NONAME`): glibc, and musl and some
/// BSDs. Of `getaddrinfo`'s codes only the text reaches us. macOS and Windows say the same of a machine that is offline,
/// and a resolver of one's own has words of its own: to these, no name is certain not to exist.
const NO_SUCH_NAME: [&str; 2] = ["Name or service not known", "Name does not resolve"];

fn of_resolver(error: &HttpConnectError) -> Cause {
    let no_such_name = parts(error).filter(|part| part.is::<io::Error>()).any(|part| {
        let text = part.to_string();
        NO_SUCH_NAME.iter().any(|words| text.ends_with(words))
    });
    let cause = Cause::not_applied(CauseKind::Dns);
    if no_such_name { cause.permanent() } else { cause }
}
