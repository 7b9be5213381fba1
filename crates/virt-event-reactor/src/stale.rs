use crate::sys::Source;

/// Remembers events of descriptors that are gone.
///
/// One may be left over from a removal during the fetch. If it is seen again
/// the kernel goes on reporting it, because a duplicate of the descriptor is
/// still open (contract H8).
pub(crate) struct StaleEvents {
    /// Where they came from, and whether that was reported.
    seen: Vec<(Source, bool)>,
}

/// How many are remembered. With more duplicates than that around, one may be
/// reported again.
const REMEMBERED: usize = 64;

impl StaleEvents {
    pub(crate) fn new() -> Self {
        Self { seen: Vec::new() }
    }

    /// Notes an event; true if it is the second one from there, and so to be
    /// reported.
    pub(crate) fn note(&mut self, source: Source) -> bool {
        if let Some((_, reported)) = self.seen.iter_mut().find(|(other, _)| *other == source) {
            return !std::mem::replace(reported, true);
        }
        if self.seen.len() == REMEMBERED {
            self.seen.retain(|&(_, reported)| reported);
            self.seen.truncate(REMEMBERED / 2);
        }
        self.seen.push((source, false));
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(fd: i32) -> Source {
        Source::Descriptor { fd, generation: 1 }
    }

    #[test]
    fn the_second_sighting_is_reported_and_no_other() {
        let mut stale = StaleEvents::new();
        let seen: Vec<_> = (0..4).map(|_| stale.note(from(3))).collect();
        assert_eq!(seen, [false, true, false, false]);
        assert!(!stale.note(from(4)));
    }

    #[test]
    fn it_does_not_grow_without_bounds() {
        let mut stale = StaleEvents::new();
        for fd in 0..1000 {
            stale.note(from(fd));
        }
        assert!(stale.seen.len() <= REMEMBERED);
    }
}
