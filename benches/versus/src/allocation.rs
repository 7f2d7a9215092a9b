//! An allocator that counts, to show that deciding allocates nothing and what a snapshot takes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<i64> = const { Cell::new(0) };
}

/// The system's allocator, counting what each thread asks for.
pub struct Counting;

// SAFETY: every call is the system allocator's own; counting touches no memory but two cells of
// the thread, which need no allocation.
#[allow(unsafe_code, reason = "an allocator is unsafe by its nature")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as i64);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, -(layout.size() as i64));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size as i64 - layout.size() as i64);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn count(allocations: u64, bytes: i64) {
    let _ = ALLOCATIONS.try_with(|cell| cell.set(cell.get() + allocations));
    let _ = BYTES.try_with(|cell| cell.set(cell.get() + bytes));
}

/// How many allocations `work` makes on this thread, and how many bytes it leaves allocated.
pub fn measure<T>(work: impl FnOnce() -> T) -> (T, u64, i64) {
    let before = (ALLOCATIONS.get(), BYTES.get());
    let result = work();
    (result, ALLOCATIONS.get() - before.0, BYTES.get() - before.1)
}
