//! Counts what is allocated: an allocator that asks the system's and keeps the books while it is told to.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static ON: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
static FREED: AtomicU64 = AtomicU64::new(0);

/// While off, which is whenever time is measured, it costs a load and a branch.
struct Counting;

/// What was allocated while some code ran, as requested: the allocator's own rounding is not in it.
#[derive(Debug, Clone, Copy)]
pub struct Allocated {
    pub allocations: u64,
    pub bytes: u64,
    /// Bytes that were freed, whenever they were allocated.
    pub freed: u64,
}

/// Runs `run` and counts. No other thread may be running.
pub fn counted<T>(run: impl FnOnce() -> T) -> (T, Allocated) {
    for counter in [&ALLOCATIONS, &BYTES, &FREED] {
        counter.store(0, Relaxed);
    }
    ON.store(true, Relaxed);
    let value = run();
    ON.store(false, Relaxed);
    let [allocations, bytes, freed] = [&ALLOCATIONS, &BYTES, &FREED].map(|counter| counter.load(Relaxed));
    (value, Allocated { allocations, bytes, freed })
}

fn count_in(bytes: usize) {
    if ON.load(Relaxed) {
        ALLOCATIONS.fetch_add(1, Relaxed);
        BYTES.fetch_add(bytes as u64, Relaxed);
    }
}

fn count_out(bytes: usize) {
    if ON.load(Relaxed) {
        FREED.fetch_add(bytes as u64, Relaxed);
    }
}

// SAFETY: every request is passed on to `System` unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_in(layout.size());
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count_out(layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count_in(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count_out(layout.size());
        count_in(size);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
