use std::ops::Deref;
use std::sync::Arc;

use super::line::Line;

/// What the clones of a service share, as one of the clones has it.
///
/// Each call holds a [`Pointer`] to it, and so writes to a count twice. Threads that write to one place wait for one another,
/// and longer the more such places there are. So a clone counts for itself from its second call on: whoever calls it twice
/// keeps it. A clone that is made for one call shares the count, since a count of its own is an allocation.
#[derive(Debug)]
pub(crate) struct Instance<T> {
    pointer: Pointer<T>,
    calls: Calls,
}

/// What a call holds. The counts, which it writes to, lie on another cache line than what it reads.
pub(crate) type Pointer<T> = Arc<Line<T>>;

#[derive(Debug, Clone, Copy)]
enum Calls {
    None,
    One,
    /// And a count of its own.
    Several,
}

impl<T: Clone> Instance<T> {
    pub(crate) fn new(shared: T) -> Self {
        Self { pointer: Arc::new(Line(shared)), calls: Calls::None }
    }

    /// For a call that begins.
    #[inline(always)]
    pub(crate) fn called(&mut self) -> &Pointer<T> {
        match self.calls {
            Calls::Several => {}
            Calls::One => self.count_alone(),
            Calls::None => self.calls = Calls::One,
        }
        &self.pointer
    }

    #[cold]
    fn count_alone(&mut self) {
        self.pointer = Arc::new(Line::clone(&self.pointer));
        self.calls = Calls::Several;
    }
}

/// A clone has not been called.
impl<T> Clone for Instance<T> {
    fn clone(&self) -> Self {
        Self { pointer: Arc::clone(&self.pointer), calls: Calls::None }
    }
}

impl<T> Deref for Instance<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.pointer
    }
}

#[cfg(test)]
mod tests;
