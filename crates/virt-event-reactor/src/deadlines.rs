use std::hash::BuildHasherDefault;

use slab::Slab;
use virt_event::Period;

use crate::id_map::{IdMap, Slot, index, slot};
use crate::sys::Moment;

/// What is due when, and what is due first.
///
/// Timers of one period become due in the order in which they were set, because
/// they are set as time goes by. So those of one period are a queue, which is
/// changed at its ends, and a heap holds the queues by what is due first in each:
/// O(log n) for every change (contract T5), where n is the number of different
/// periods.
pub(crate) struct Deadlines {
    /// By the slots of the timers.
    nodes: Vec<Node>,
    queues: Slab<Queue>,
    by_period: IdMap<i32, Slot>,
    /// The queues. A binary heap.
    heap: Vec<HeapItem>,
}

#[derive(Clone, Copy, Default)]
struct Node {
    deadline: Moment,
    /// The neighbours in the queue, while it is queued.
    before: Option<Slot>,
    after: Option<Slot>,
    /// The queue that it was in last. Off and on again is not to make anything.
    queue: Option<Slot>,
    queued: bool,
}

struct Queue {
    period: i32,
    first: Option<Slot>,
    last: Option<Slot>,
    /// How many nodes name it.
    members: usize,
    /// Where it is in the heap.
    place: usize,
}

/// When an empty queue is due.
const NEVER: Moment = Moment::MAX;

/// With so many queues or fewer, those that nobody is for are kept: a program
/// that changes between a few periods is not to make a queue each time.
const KEPT: usize = 16;

/// Room for so many queues is there from the beginning, so that changing
/// between a few periods allocates nothing: for those that are kept, those that
/// somebody is for, and what the map needs to forget some.
const ROOM: usize = 2 * KEPT;

#[derive(Clone, Copy)]
struct HeapItem {
    deadline: Moment,
    queue: Slot,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            queues: Slab::with_capacity(ROOM),
            by_period: IdMap::with_capacity_and_hasher(ROOM, BuildHasherDefault::default()),
            heap: Vec::with_capacity(ROOM),
        }
    }
}

impl Deadlines {
    /// What is due first, and when.
    pub(crate) fn first(&self) -> Option<(Moment, Slot)> {
        let item = self.heap.first()?;
        // None if even the first queue is empty.
        let first = self.queues[index(item.queue)].first?;
        Some((item.deadline, first))
    }

    /// Has a timer due at `deadline` and at no other time.
    pub(crate) fn set(&mut self, timer: Slot, period: Period, deadline: Moment) {
        if index(timer) >= self.nodes.len() {
            self.nodes.resize(index(timer) + 1, Node::default());
        }
        self.unset(timer);
        let queue = self.join(timer, period.to_raw());

        // It goes to the back, or past those that were set since the look at the
        // clock: while its own call ran, if it fires. Setting them cost more than
        // the walk.
        let mut before = self.queues[index(queue)].last;
        while let Some(node) = before.map(|before| self.nodes[index(before)]) {
            if node.deadline <= deadline {
                break;
            }
            before = node.before;
        }
        let after = self.link_after(queue, before).replace(timer);
        *self.link_before(queue, after) = Some(timer);
        self.nodes[index(timer)] = Node {
            deadline,
            before,
            after,
            queue: Some(queue),
            queued: true,
        };
        if before.is_none() {
            self.first_changed(queue);
        }
    }

    /// Has a timer not due any more.
    pub(crate) fn unset(&mut self, timer: Slot) {
        let Some(node) = self.nodes.get_mut(index(timer)) else {
            return;
        };
        let Some(queue) = node.queue.filter(|_| node.queued) else {
            return;
        };
        node.queued = false;
        let (before, after) = (node.before, node.after);
        *self.link_after(queue, before) = after;
        *self.link_before(queue, after) = before;
        if before.is_none() {
            self.first_changed(queue);
        }
    }

    /// Forgets a timer.
    pub(crate) fn forget(&mut self, timer: Slot) {
        self.unset(timer);
        self.leave(timer);
    }

    /// Makes the queue of this period the one that a timer is for.
    fn join(&mut self, timer: Slot, period: i32) -> Slot {
        match self.nodes[index(timer)].queue {
            Some(queue) if self.queues[index(queue)].period == period => return queue,
            _ => self.leave(timer),
        }
        let (queues, heap) = (&mut self.queues, &mut self.heap);
        let queue = *self.by_period.entry(period).or_insert_with(|| {
            let queue = slot(queues.insert(Queue {
                period,
                first: None,
                last: None,
                members: 0,
                place: heap.len(),
            }));
            heap.push(HeapItem {
                deadline: NEVER,
                queue,
            });
            queue
        });
        self.queues[index(queue)].members += 1;
        self.nodes[index(timer)].queue = Some(queue);
        queue
    }

    /// Takes a timer that is not queued out of the members of its queue.
    fn leave(&mut self, timer: Slot) {
        let node = self.nodes.get_mut(index(timer));
        let Some(queue) = node.and_then(|node| node.queue.take()) else {
            return;
        };
        let members = &mut self.queues[index(queue)].members;
        *members -= 1;
        if *members == 0 && self.queues.len() > KEPT {
            let queue = self.queues.remove(index(queue));
            self.by_period.remove(&queue.period);
            self.heap.swap_remove(queue.place);
            if queue.place < self.heap.len() {
                self.settle(queue.place);
            }
        }
    }

    /// What leads from a node, or from the beginning of a queue, to the next.
    fn link_after(&mut self, queue: Slot, node: Option<Slot>) -> &mut Option<Slot> {
        match node {
            Some(node) => &mut self.nodes[index(node)].after,
            None => &mut self.queues[index(queue)].first,
        }
    }

    /// What leads from a node, or from the end of a queue, to the one before.
    fn link_before(&mut self, queue: Slot, node: Option<Slot>) -> &mut Option<Slot> {
        match node {
            Some(node) => &mut self.nodes[index(node)].before,
            None => &mut self.queues[index(queue)].last,
        }
    }

    /// Moves a queue to where it belongs in the heap.
    fn first_changed(&mut self, queue: Slot) {
        let Queue { first, place, .. } = self.queues[index(queue)];
        let first = first.map(|first| self.nodes[index(first)].deadline);
        self.heap[place].deadline = first.unwrap_or(NEVER);
        self.settle(place);
    }

    /// Moves the item at `place` up or down to where it belongs.
    fn settle(&mut self, mut place: usize) {
        let item = self.heap[place];
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.heap[parent].deadline <= item.deadline {
                break;
            }
            self.put(place, self.heap[parent]);
            place = parent;
        }
        loop {
            let mut child = 2 * place + 1;
            if child >= self.heap.len() {
                break;
            }
            if child + 1 < self.heap.len()
                && self.heap[child + 1].deadline < self.heap[child].deadline
            {
                child += 1;
            }
            if item.deadline <= self.heap[child].deadline {
                break;
            }
            self.put(place, self.heap[child]);
            place = child;
        }
        self.put(place, item);
    }

    fn put(&mut self, place: usize, item: HeapItem) {
        self.heap[place] = item;
        self.queues[index(item.queue)].place = place;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: i32) -> Period {
        Period::from_raw(millis)
    }

    /// Takes everything out in order.
    fn take_all(deadlines: &mut Deadlines) -> Vec<(Moment, Slot)> {
        let mut all = Vec::new();
        while let Some((deadline, timer)) = deadlines.first() {
            deadlines.unset(timer);
            all.push((deadline, timer));
        }
        all
    }

    #[test]
    fn what_was_set_out_of_order_is_in_order() {
        let mut deadlines = Deadlines::default();
        for (timer, deadline) in [(0, 50), (1, 10), (2, 40), (3, 10), (4, 30)] {
            deadlines.set(timer, millis(1), deadline);
        }
        deadlines.set(2, millis(2), 20);
        let all = take_all(&mut deadlines);
        assert_eq!(all, [(10, 1), (10, 3), (20, 2), (30, 4), (50, 0)]);
    }

    #[test]
    fn queues_that_nobody_is_for_are_few() {
        let mut deadlines = Deadlines::default();
        for period in 1..1_000 {
            deadlines.set(0, millis(period), 10);
            deadlines.unset(0);
            deadlines.set(0, millis(period), 20);
            assert_eq!(deadlines.first(), Some((20, 0)));
        }
        assert!(deadlines.queues.len() <= KEPT + 1);
        assert_eq!(deadlines.queues.len(), deadlines.by_period.len());
        deadlines.forget(0);
        assert_eq!(deadlines.first(), None);
        deadlines.forget(0);
        deadlines.forget(7);
        assert!(deadlines.queues.iter().all(|(_, queue)| queue.members == 0));
    }

    #[test]
    fn random_changes_leave_it_in_order() {
        let mut deadlines = Deadlines::default();
        let mut expected: Vec<Option<Moment>> = vec![None; 200];
        let mut random = 0x1234_5678_u64;
        for round in 0..50_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let value = (random >> 33) as usize;
            let timer = value % expected.len();
            let now = if value % 10 == 0 { round / 2 } else { round };
            match value % 4 {
                0 => {
                    deadlines.unset(slot(timer));
                    expected[timer] = None;
                }
                1 if value % 3 == 0 => {
                    deadlines.forget(slot(timer));
                    expected[timer] = None;
                }
                _ => {
                    let period = (value / 7 % 40) as i32;
                    let deadline = now + period as u64;
                    deadlines.set(slot(timer), millis(period), deadline);
                    expected[timer] = Some(deadline);
                }
            }
            let first = expected.iter().flatten().min().copied();
            assert_eq!(deadlines.first().map(|(deadline, _)| deadline), first);
        }
        for (place, item) in deadlines.heap.iter().enumerate() {
            assert_eq!(deadlines.queues[index(item.queue)].place, place);
        }
        let all = take_all(&mut deadlines);
        assert!(all.is_sorted_by_key(|&(deadline, _)| deadline));
        let mut left: Vec<_> = all.iter().map(|&(_, timer)| index(timer)).collect();
        left.sort_unstable();
        let set = (0..expected.len()).filter(|&timer| expected[timer].is_some());
        assert_eq!(left, set.collect::<Vec<_>>());
    }
}
