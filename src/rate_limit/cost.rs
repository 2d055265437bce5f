/// What a request takes of a rate limit.
///
/// [`UnitCost`] is the default of [`RateLimitLayer`](super::RateLimitLayer); `cost` of the layer makes a [`CostFn`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what `{R}` costs",
    label = "no cost for this request",
    note = "set it with `.cost(|request: &Request| 1)`, whose closure returns a `u32`"
)]
pub trait Cost<R>: Sealed {
    /// What `request` takes.
    fn of(&self, request: &R) -> u32;
}

/// Each request takes 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnitCost;

/// A closure says what a request takes.
#[derive(Clone, Copy)]
pub struct CostFn<F>(pub(super) F);

impl<R> Cost<R> for UnitCost {
    #[inline]
    fn of(&self, _: &R) -> u32 {
        1
    }
}

impl<R, F> Cost<R> for CostFn<F>
where
    F: Fn(&R) -> u32,
{
    #[inline]
    fn of(&self, request: &R) -> u32 {
        (self.0)(request)
    }
}

impl<F> std::fmt::Debug for CostFn<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CostFn")
    }
}

/// Only this crate implements it.
pub trait Sealed {}

impl Sealed for UnitCost {}
impl<F> Sealed for CostFn<F> {}
