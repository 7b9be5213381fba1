//! What the process holds: Rust's allocations exactly, what C has of the same
//! heap, pages and descriptors.

#![expect(unsafe_code, reason = "counting allocations takes an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::sync::atomic::{AtomicIsize, Ordering};

static ALLOCATIONS: AtomicIsize = AtomicIsize::new(0);
static BYTES: AtomicIsize = AtomicIsize::new(0);

struct Counting;

// SAFETY: it is the system's allocator, and counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        ALLOCATIONS.fetch_sub(1, Ordering::Relaxed);
        BYTES.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let grown = size as isize - layout.size() as isize;
        BYTES.fetch_add(grown, Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What there is at a moment.
#[derive(Debug)]
pub(crate) struct Census {
    /// Allocations of Rust's that live.
    pub(crate) allocations: isize,
    /// Their bytes.
    pub(crate) bytes: isize,
    /// Bytes that C's allocator has given away, to libvirt and to Rust.
    pub(crate) in_use: usize,
    /// Bytes in memory.
    pub(crate) resident: usize,
    /// Open descriptors.
    pub(crate) descriptors: usize,
}

impl Census {
    pub(crate) fn take() -> Self {
        let (allocations, bytes) = (
            ALLOCATIONS.load(Ordering::Relaxed),
            BYTES.load(Ordering::Relaxed),
        );
        Self {
            allocations,
            bytes,
            in_use: in_use(),
            resident: resident(),
            descriptors: fs::read_dir("/proc/self/fd").unwrap().count(),
        }
    }

    /// # Panics
    ///
    /// - If there is more than `before`, by more than what happens to be under
    ///   way.
    pub(crate) fn assert_like(&self, before: &Self) {
        self.is_like(before).unwrap();
    }

    /// What there is more of than `before`.
    pub(crate) fn is_like(&self, before: &Self) -> Result<(), String> {
        // 800 cycles that each left a thing behind would not fit into any of
        // these. A table may grow once more, and C's allocator and GLib's keep
        // some of what they had, which depends on how many events happened to
        // be on their way; after a few thousand cycles that does not grow by a
        // byte.
        let allocations = (self.allocations - before.allocations).abs() <= 8;
        let bytes = (self.bytes - before.bytes).abs() <= 16 << 10;
        let in_use = self.in_use.saturating_sub(before.in_use) <= 128 << 10;
        let resident = self.resident.saturating_sub(before.resident) <= 1 << 20;
        let descriptors = self.descriptors == before.descriptors;
        if allocations && bytes && in_use && resident && descriptors {
            Ok(())
        } else {
            Err(format!("{self:#?}, where there was {before:#?}"))
        }
    }
}

/// What C's allocator says. Elsewhere the pages have to do.
#[cfg(target_env = "gnu")]
fn in_use() -> usize {
    /// `struct mallinfo2` of glibc 2.33.
    #[repr(C)]
    struct Info {
        /// `arena`, `ordblks`, `smblks`, `hblks`.
        _blocks: [usize; 4],
        mapped: usize,
        /// `usmblks`, `fsmblks`.
        _fast: [usize; 2],
        used: usize,
        /// `fordblks`, `keepcost`.
        _free: [usize; 2],
    }

    unsafe extern "C" {
        safe fn mallinfo2() -> Info;
    }

    let info = mallinfo2();
    info.mapped + info.used
}

#[cfg(not(target_env = "gnu"))]
fn in_use() -> usize {
    0
}

/// From `smaps_rollup`, because the figure in `statm` may lag behind.
fn resident() -> usize {
    let text = fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kibibytes.unwrap().parse::<usize>().unwrap() << 10
}
