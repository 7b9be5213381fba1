//! Bytes on their way from one side to the other.

use std::collections::VecDeque;

/// Bytes in their order, up to a bound.
///
/// The bound is what makes flow control: when it is reached, the side that
/// brings bytes must be left alone until half of them are gone. Half, because
/// asking again at each free byte would switch its watch on and off all the
/// time.
#[derive(Debug)]
pub struct Queue {
    bytes: VecDeque<u8>,
    bound: usize,
    /// Reached the bound, and more than half of it is still here.
    full: bool,
}

/// Why [`Queue::fill`] came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filled {
    /// The source has nothing now, or there is no room for more.
    ForNow,
    /// The source has nothing any more.
    ToTheEnd,
}

impl Queue {
    /// An empty one that holds up to `bound` bytes.
    ///
    /// # Panics
    ///
    /// - `bound` is zero.
    pub fn new(bound: usize) -> Self {
        assert!(bound > 0, "a queue without room moves nothing");
        Self {
            bytes: VecDeque::new(),
            bound,
            full: false,
        }
    }

    /// How many bytes may come now.
    pub fn room(&self) -> usize {
        if self.full {
            0
        } else {
            self.bound.saturating_sub(self.bytes.len())
        }
    }

    /// How many bytes wait.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether none wait.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The first of the waiting bytes, `limit` at most; some if any wait.
    pub fn front(&self, limit: usize) -> &[u8] {
        let (front, _) = self.bytes.as_slices();
        &front[..front.len().min(limit)]
    }

    /// Takes bytes from `read` until it has none or there is no room.
    ///
    /// `read` puts bytes at the start of the buffer and says how many; `None`
    /// stands for none now, and 0 for none ever.
    ///
    /// # Errors
    ///
    /// - What `read` says. What it brought before is kept.
    pub fn fill<E>(
        &mut self,
        read: impl FnMut(&mut [u8]) -> Result<Option<usize>, E>,
    ) -> Result<Filled, E> {
        self.fill_while(Self::room, read)
    }

    /// The same, also beyond the bound: for a source that can be asked now and
    /// never again.
    ///
    /// # Errors
    ///
    /// - As for [`fill`](Self::fill).
    pub fn take_all<E>(
        &mut self,
        read: impl FnMut(&mut [u8]) -> Result<Option<usize>, E>,
    ) -> Result<Filled, E> {
        self.fill_while(|_| usize::MAX, read)
    }

    fn fill_while<E>(
        &mut self,
        room: impl Fn(&Self) -> usize,
        mut read: impl FnMut(&mut [u8]) -> Result<Option<usize>, E>,
    ) -> Result<Filled, E> {
        let mut buffer = [0; 8192];
        while room(self) > 0 {
            let limit = room(self).min(buffer.len());
            match read(&mut buffer[..limit])? {
                None => return Ok(Filled::ForNow),
                Some(0) => return Ok(Filled::ToTheEnd),
                Some(count) => self.push(&buffer[..count]),
            }
        }
        Ok(Filled::ForNow)
    }

    /// Gives bytes to `write` until it takes none or none wait.
    ///
    /// `write` says how many it took from the start; `None` stands for none
    /// now.
    ///
    /// # Errors
    ///
    /// - What `write` says. What it took before is gone.
    pub fn drain<E>(
        &mut self,
        mut write: impl FnMut(&[u8]) -> Result<Option<usize>, E>,
    ) -> Result<(), E> {
        while !self.is_empty() {
            match write(self.front(usize::MAX))? {
                None | Some(0) => break,
                Some(count) => self.consume(count),
            }
        }
        Ok(())
    }

    /// Adds bytes, also beyond the bound: for the program's own few words,
    /// which have nowhere to wait.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        self.full |= self.bytes.len() >= self.bound;
    }

    /// Forgets the first `count` bytes.
    pub fn consume(&mut self, count: usize) {
        self.bytes.drain(..count);
        self.full &= self.bytes.len() > self.bound / 2;
    }

    /// Forgets all bytes.
    pub fn clear(&mut self) {
        self.consume(self.len());
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_queue_has_room_again_when_half_of_it_is_gone() {
        let mut queue = Queue::new(8);
        queue.push(b"1234567");
        assert_eq!(queue.room(), 1);
        queue.push(b"8");
        for _ in 0..3 {
            assert_eq!(queue.room(), 0);
            queue.consume(1);
        }
        assert_eq!(queue.room(), 0);
        queue.consume(1);
        assert_eq!(queue.room(), 4);
    }

    #[test]
    fn words_of_our_own_fit_always() {
        let mut queue = Queue::new(2);
        queue.push(b"12345");
        assert_eq!((queue.len(), queue.room()), (5, 0));
        queue.clear();
        assert_eq!((queue.len(), queue.room()), (0, 2));
    }

    #[test]
    fn what_is_there_for_the_last_time_fits_always() {
        let mut queue = Queue::new(2);
        let mut steps = [Ok(Some(5)), Ok(Some(5)), Err("gone")].into_iter();
        let taken = queue.take_all(|_| steps.next().unwrap_or(Err("asked on")));
        assert_eq!((taken, queue.len()), (Err("gone"), 10));
    }

    #[test]
    fn what_came_before_the_end_and_before_an_error_is_kept() {
        let mut queue = Queue::new(8);
        let mut steps = [Some(Ok(Some(2))), Some(Ok(Some(0)))].into_iter();
        let filled = queue.fill(|_| steps.next().flatten().unwrap_or(Err("read on")));
        assert_eq!((filled, queue.len()), (Ok(Filled::ToTheEnd), 2));
        let mut steps = [Ok(Some(3)), Err("broken")].into_iter();
        let filled = queue.fill(|_| steps.next().unwrap_or(Err("read on")));
        assert_eq!((filled, queue.len()), (Err("broken"), 5));
    }

    /// What one side does in one step: how many bytes it moves in each call,
    /// until it says that it cannot.
    #[derive(Debug, Clone)]
    enum Step {
        Brings(Vec<usize>),
        Takes(Vec<usize>),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let sizes = || vec(1..40_usize, 0..5);
        let step = prop_oneof![
            sizes().prop_map(Step::Brings),
            sizes().prop_map(Step::Takes)
        ];
        vec(step, 0..60)
    }

    proptest! {
        #[test]
        fn bytes_leave_as_they_came(bound in 1..50_usize, steps in steps()) {
            let mut queue = Queue::new(bound);
            let mut next = 0_u8;
            let mut taken = Vec::new();
            for step in steps {
                match step {
                    Step::Brings(sizes) => {
                        let had_room = queue.room() > 0;
                        let mut sizes = sizes.into_iter();
                        let before = queue.len();
                        let mut called = false;
                        let _ = queue.fill(|buffer| {
                            called = true;
                            let count = sizes.next().map(|size| size.min(buffer.len()));
                            for byte in &mut buffer[..count.unwrap_or(0)] {
                                *byte = next;
                                next = next.wrapping_add(1);
                            }
                            Ok::<_, Infallible>(count)
                        });
                        prop_assert_eq!(called, had_room);
                        prop_assert!(queue.len() >= before && queue.len() <= bound);
                    }
                    Step::Takes(sizes) => {
                        let mut sizes = sizes.into_iter();
                        let _ = queue.drain(|bytes| {
                            let count = sizes.next().map(|size| size.min(bytes.len()));
                            taken.extend_from_slice(&bytes[..count.unwrap_or(0)]);
                            Ok::<_, Infallible>(count)
                        });
                    }
                }
                // An empty queue is never closed, or nothing would ever move.
                prop_assert!(!queue.is_empty() || queue.room() > 0);
            }
            let _ = queue.drain(|bytes| {
                taken.extend_from_slice(bytes);
                Ok::<_, Infallible>(Some(bytes.len()))
            });
            let expected: Vec<_> = (0..taken.len()).map(|number| number as u8).collect();
            prop_assert_eq!(taken.last().map(|last| last.wrapping_add(1)), expected.last().map(|_| next));
            prop_assert_eq!(taken, expected);
        }
    }
}
