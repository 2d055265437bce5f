//! What a caller hears of a request, by the rules that the stack has.

use windbreak::failover::Provider;
use windbreak::rules::Classify as _;
use windbreak::{Effect, Failure, Rejection, Verdict};

use super::gateway::Reply;
use super::stacks::{Failed, rules};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// It took effect at this provider.
    Applied(usize),
    Declined,
    /// It failed, and nothing was done.
    WithoutEffect,
    /// Nobody knows.
    Unknown,
}

pub(super) fn told(result: &Result<Reply, Failed>) -> Told {
    match rules().classify(result.as_ref()) {
        Verdict::Success => Told::Applied(provider(result.as_ref().expect("a success is a response"))),
        Verdict::Declined => Told::Declined,
        Verdict::Failure(Failure { effect: Effect::NotApplied, .. })
        | Verdict::Throttled { effect: Effect::NotApplied, .. } => Told::WithoutEffect,
        Verdict::Ignored => {
            let rejection = result.as_ref().err().and_then(|error| error.rejection());
            match rejection.map(Rejection::effect) {
                Some(Effect::NotApplied) => Told::WithoutEffect,
                _ => Told::Unknown,
            }
        }
        _ => Told::Unknown,
    }
}

/// Whether a provider rejected it for `reason` before it was sent, where there is a failover that says so.
pub(super) fn was_rejected(result: &Result<Reply, Failed>, reason: &str) -> bool {
    let said = |(_, said): (&str, &str)| said == reason;
    match result {
        Ok(reply) => reply.extensions().get::<Provider>().is_some_and(|provider| provider.others().any(said)),
        Err(error) => error.attempts().is_some_and(|attempts| attempts.providers().any(said)),
    }
}

/// Without a failover there is one provider.
fn provider(reply: &Reply) -> usize {
    reply.extensions().get::<Provider>().map_or(0, |provider| usize::from(provider.name() == "b"))
}
