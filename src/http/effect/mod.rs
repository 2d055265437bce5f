//! Why a client gave an error instead of a response, and whether the request can have taken effect.

mod cause;
mod chain;
mod connect;
mod judge;
mod redirects;

pub(super) use cause::CauseKind;
pub(super) use judge::cause_of;
pub(super) use redirects::may_be_redirected;
