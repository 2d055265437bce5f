use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use rand::TryRng as _;
use rand::rngs::SysRng;

/// Where the key of a request comes from. Sealed: see [`IdempotencyKeyLayer`](super::IdempotencyKeyLayer).
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not make a key for `{R}`",
    label = "no key for this request",
    note = "use `IdempotencyKeyLayer::new()`, or its `generator(..)` or `key_from(|request: &http::Request<_>| ..)`"
)]
pub trait KeySource<R>: sealed::Sealed {
    /// The key of `request`, as the value of a header; `None` if there can be none.
    fn key(&self, request: &R) -> Option<HeaderValue>;
}

/// Keys of 128 random bits, taken from the operating system for each key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RandomKeys;

/// Keys from a generator of one's own: [`generator`](super::IdempotencyKeyLayer::generator).
pub struct GeneratedKeys<G>(pub(super) Arc<G>);

/// Keys from the request: [`key_from`](super::IdempotencyKeyLayer::key_from).
pub struct KeysFrom<F>(pub(super) Arc<F>);

impl<R> KeySource<R> for RandomKeys {
    fn key(&self, _: &R) -> Option<HeaderValue> {
        random_key(|bytes| SysRng.try_fill_bytes(bytes))
    }
}

impl<R, G> KeySource<R> for GeneratedKeys<G>
where
    G: Fn() -> HeaderValue,
{
    fn key(&self, _: &R) -> Option<HeaderValue> {
        Some((self.0)())
    }
}

impl<R, F> KeySource<R> for KeysFrom<F>
where
    F: Fn(&R) -> Option<HeaderValue>,
{
    fn key(&self, request: &R) -> Option<HeaderValue> {
        (self.0)(request)
    }
}

/// Straight from the system, and from no generator of this process: one that was seeded before a fork gives the same
/// keys to the orders of all the children.
///
/// A system that has no random numbers (very early at boot, or in a sandbox) gives no key: the request is sent without,
/// and so is not repeated.
fn random_key<E: fmt::Display>(fill: impl FnOnce(&mut [u8]) -> Result<(), E>) -> Option<HeaderValue> {
    let mut bytes = [0; 16];
    match fill(&mut bytes) {
        Ok(()) => HeaderValue::try_from(format!("\"{:032x}\"", u128::from_be_bytes(bytes))).ok(),
        Err(error) => {
            tracing::warn!(%error, "no idempotency key: the system has no random numbers");
            None
        }
    }
}

impl<G> Clone for GeneratedKeys<G> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F> Clone for KeysFrom<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<G> fmt::Debug for GeneratedKeys<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GeneratedKeys").finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for KeysFrom<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeysFrom").finish_non_exhaustive()
    }
}

mod sealed {
    use super::GeneratedKeys;
    use super::KeysFrom;
    use super::RandomKeys;

    pub trait Sealed {}

    impl Sealed for RandomKeys {}
    impl<G> Sealed for GeneratedKeys<G> {}
    impl<F> Sealed for KeysFrom<F> {}
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_key_is_sixteen_bytes_of_the_system() {
        let key = random_key::<&str>(|bytes| {
            bytes.copy_from_slice(&[0, 0x1f, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff]);
            Ok(())
        });
        assert_eq!(key.unwrap(), "\"001f02030405060708090a0b0c0d0eff\"");
    }

    #[test]
    fn a_system_without_random_numbers_gives_no_key() {
        assert_eq!(random_key(|_| Err("none")), None);
    }

    #[test]
    fn no_two_keys_are_the_same() {
        let keys: HashSet<_> = (0..1_000).map(|_| RandomKeys.key(&()).unwrap()).collect();
        assert_eq!(keys.len(), 1_000);
    }
}
