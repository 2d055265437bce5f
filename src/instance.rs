use std::ops::Deref;
use std::sync::Arc;

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

/// What a call holds.
pub(crate) type Pointer<T> = Arc<Apart<T>>;

/// Only read, and so at least a cache line of 64 bytes away from what is written at each call: the counts before it, and
/// those of another allocation behind it. Room instead of an alignment, with which allocators waste more.
#[derive(Debug, Clone)]
#[repr(C)]
pub(crate) struct Apart<T> {
    _before: [u64; 6],
    shared: T,
    _behind: [u64; 6],
}

#[derive(Debug, Clone, Copy)]
enum Calls {
    None,
    One,
    /// And a count of its own.
    Several,
}

impl<T: Clone> Instance<T> {
    pub(crate) fn new(shared: T) -> Self {
        Self { pointer: Arc::new(Apart { _before: [0; 6], shared, _behind: [0; 6] }), calls: Calls::None }
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
        self.pointer = Arc::new(Apart::clone(&self.pointer));
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

impl<T> Deref for Apart<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.shared
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Instance;

    /// Calls it twice, as nobody does who does not keep it.
    fn keep(instance: &mut Instance<&'static str>) {
        drop([Arc::clone(instance.called()), Arc::clone(instance.called())]);
    }

    #[test]
    fn clones_that_are_kept_do_not_write_to_one_count() {
        let mut kept = Instance::new("shared");
        keep(&mut kept);
        let mut other = kept.clone();
        keep(&mut other);
        let calls = [Arc::clone(kept.called()), Arc::clone(other.called())];
        assert!(!Arc::ptr_eq(&calls[0], &calls[1]));
        assert_eq!(calls.map(|call| **call), ["shared"; 2]);
    }

    #[test]
    fn a_clone_for_one_call_shares_the_count() {
        let mut kept = Instance::new("shared");
        keep(&mut kept);
        for _ in 0..3 {
            let call = Arc::clone(kept.clone().called());
            assert!(Arc::ptr_eq(&call, &kept.pointer));
        }
    }

    #[test]
    fn a_call_under_way_keeps_what_is_shared_when_its_service_is_gone() {
        let shared = Arc::new(());
        let mut service = Instance::new(Arc::clone(&shared));
        let calls = [Arc::clone(service.called()), Arc::clone(service.called())];
        drop(service);
        assert_eq!(Arc::strong_count(&shared), 3, "ours, and one for each of the two counts");
        drop(calls);
        assert_eq!(Arc::strong_count(&shared), 1);
    }
}
