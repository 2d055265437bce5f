use std::cell::RefCell;

thread_local! {
    /// What this thread is making layers for: the table, and the hash of the key.
    static MAKING: RefCell<Vec<(usize, u64)>> = const { RefCell::new(Vec::new()) };
}

/// While it is held, this thread makes the layer of a key. Whoever asks for the same one meanwhile would never get it.
pub(super) struct Making(());

impl Making {
    /// `None` if the thread is making it already.
    pub(super) fn start(table: usize, hash: u64) -> Option<Self> {
        MAKING.with_borrow_mut(|making| {
            let is_new = !making.contains(&(table, hash));
            is_new.then(|| {
                making.push((table, hash));
                Self(())
            })
        })
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        // What began last ends first, also in a panic.
        MAKING.with_borrow_mut(Vec::pop);
    }
}
