//! Whether the end is like the beginning.

use super::SEATS;
use super::record::{Phase, Quiet};

/// # Panics
///
/// - Something grew.
pub(super) fn assert_flat(looks: &[Quiet]) {
    for phase in [Phase::Full, Phase::Empty] {
        let looks: Vec<_> = looks.iter().filter(|look| look.phase == phase).collect();
        // The first rounds fill tables and caches.
        let third = looks.len() / 3;
        assert!(third > 0, "{} rounds are too few", looks.len());
        let (beginning, end) = (&looks[third / 2..=third], &looks[looks.len() - third..]);
        assert_all_the_same(phase, &looks);
        let opened = end[0].opened - beginning[0].opened;
        for (what, of, limit) in measures(opened) {
            let (before, after) = (middle(beginning, of), middle(end, of));
            println!("{phase:?}: {what}: {before} and {after}, {opened} connections later");
            let grown = after - before;
            assert!(
                grown <= limit,
                "{what} of {phase:?} grew by {grown}: {looks:#?}"
            );
        }
    }
}

type Measure = fn(&Quiet) -> isize;

/// What may grow by how much, while so many connections were opened: thousands
/// in ten minutes.
fn measures(opened: usize) -> [(&'static str, Measure, isize); 4] {
    [
        // A table may grow once more, and it depends on the moment whether one
        // thing or another is on its way.
        ("Rust's allocations", |it| it.census.allocations, 16),
        ("their bytes", |it| it.census.bytes, 32 << 10),
        // The least that malloc gives away are 32 bytes. A quarter of that is
        // what all of libvirt, GLib and Rust may keep of a connection.
        (
            "C's heap",
            |it| it.census.in_use as isize,
            (128 << 10).max(8 * opened as isize),
        ),
        // Holes between what is in use; malloc returns no pages in the middle.
        ("pages", |it| it.census.resident as isize, 4 << 20),
    ]
}

/// Descriptors have no cache, and neither have watches and timers.
fn assert_all_the_same(phase: Phase, looks: &[&Quiet]) {
    for look in looks {
        let counts = |look: &Quiet| (look.census.descriptors, look.watches, look.timers);
        assert_eq!(counts(look), counts(looks[0]), "{phase:?}");
        let open = if phase == Phase::Full { SEATS } else { 0 };
        assert_eq!(look.watches, open);
    }
}

/// The median, which one look at a bad moment does not move.
fn middle(looks: &[&Quiet], of: Measure) -> isize {
    let mut values: Vec<_> = looks.iter().map(|look| of(look)).collect();
    values.sort_unstable();
    values[values.len() / 2]
}
