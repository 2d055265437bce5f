use crate::rules::Effect;

/// Why a client gave an error instead of a response, as far as its parts tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct Cause {
    pub(in crate::http) kind: CauseKind,
    /// Of the request that failed: the one the client was given, unless it may have been redirected.
    pub(in crate::http) effect: Effect,
    /// The next attempt fails in the same way.
    pub(in crate::http) permanent: bool,
}

/// What went wrong, for a verdict and a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum CauseKind {
    /// Nobody listens there.
    ConnectionRefused,
    /// The name was not resolved.
    Dns,
    ConnectTimeout,
    /// The handshake failed.
    Tls,
    /// Some other failure before there was a connection.
    Connect,
    /// The connection was lost before the request was sent, or the server says that it did not act on it.
    NotProcessed,
    /// The server reset the connection or the stream.
    Reset,
    /// The server closed the connection, or it broke.
    Closed,
    /// The time of the client itself ran out.
    Timeout,
    /// What came is not HTTP.
    Protocol,
    /// A mistake or a failure of the caller's: it says nothing of the server.
    Caller,
    Other,
}

impl Cause {
    pub(super) const fn unknown(kind: CauseKind) -> Self {
        Self { kind, effect: Effect::Unknown, permanent: false }
    }

    pub(super) const fn not_applied(kind: CauseKind) -> Self {
        Self { kind, effect: Effect::NotApplied, permanent: false }
    }

    pub(super) const fn permanent(self) -> Self {
        Self { permanent: true, ..self }
    }

    /// For `error.type`: one of a small set.
    pub(in crate::http) const fn name(self) -> &'static str {
        match self.kind {
            CauseKind::ConnectionRefused => "connection_refused",
            CauseKind::Dns => "dns",
            CauseKind::ConnectTimeout => "connect_timeout",
            CauseKind::Tls => "tls",
            CauseKind::Connect => "connect",
            CauseKind::NotProcessed => "not_processed",
            CauseKind::Reset => "reset",
            CauseKind::Closed => "closed",
            CauseKind::Timeout => "timeout",
            CauseKind::Protocol => "protocol",
            CauseKind::Caller => "caller",
            CauseKind::Other => "_OTHER",
        }
    }
}
