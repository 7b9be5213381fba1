use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// A map keyed by small numbers that the kernel or we ourselves hand out in
/// order. Nobody hostile chooses them, so a multiplication spreads them well
/// enough.
pub(crate) type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// A place in a table of entries.
pub(crate) type Slot = u32;

/// There are no more entries than ids, and so than slots.
pub(crate) fn slot(index: usize) -> Slot {
    Slot::try_from(index).expect("there are no more entries than ids")
}

pub(crate) fn index(slot: Slot) -> usize {
    slot as usize
}

#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        // The map looks at the low bits first, and they know the least.
        self.0.rotate_right(32)
    }

    fn write_i32(&mut self, number: i32) {
        self.0 = (self.0 ^ u64::from(number as u32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_i32(i32::from(byte));
        }
    }
}

/// Hands out ids in order; after `i32::MAX` it goes on from 1, past those
/// that are live (contract I2).
pub(crate) struct IdSource {
    next: i32,
}

impl IdSource {
    pub(crate) fn starting_at(first: i32) -> Self {
        Self { next: first.max(1) }
    }

    /// The next free key of `live`; `None` if there is none left.
    pub(crate) fn next<K: Copy + Eq + Hash, V>(
        &mut self,
        live: &IdMap<K, V>,
        key: fn(i32) -> Option<K>,
    ) -> Option<K> {
        if live.len() >= i32::MAX as usize {
            return None;
        }
        loop {
            let id = key(self.next)?;
            self.next = self.next.checked_add(1).unwrap_or(1);
            if !live.contains_key(&id) {
                return Some(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use virt_event::WatchId;

    use super::*;

    #[test]
    fn ids_wrap_and_skip_live_ones() {
        let mut live: IdMap<WatchId, ()> = IdMap::default();
        let mut source = IdSource::starting_at(i32::MAX - 1);
        let mut taken = Vec::new();
        for _ in 0..4 {
            let id = source.next(&live, WatchId::new).unwrap();
            taken.push(id.get());
            live.insert(id, ());
            if taken.len() == 2 {
                live.insert(WatchId::new(1).unwrap(), ());
            }
        }
        assert_eq!(taken, [i32::MAX - 1, i32::MAX, 2, 3]);
    }
}
