//! X2: eight threads at once.

use std::os::fd::{AsRawFd, RawFd};
use std::sync::Barrier;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use virt_event::{EventImpl, HandleEvents, Period, TimerId, WatchId};

use crate::fixtures::{EventFd, eventfd, patience};
use crate::{Exam, Recorder};

const THREADS: u64 = 8;

/// How many entries a thread adds at most, because the recorder remembers
/// every one.
const ADDS: usize = 3_000;

pub(super) fn eight_threads(exam: &Exam) {
    let sources = sources();
    let (event_impl, recorder) = (exam.event_impl(), exam.recorder());
    thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|number| {
                let mut worker = Worker {
                    event_impl: &*event_impl,
                    recorder,
                    sources: &sources,
                    random: Random::seeded(number),
                    watches: Vec::new(),
                    timers: Vec::new(),
                    adds: 0,
                };
                scope.spawn(move || worker.work())
            })
            .collect();
        turn_while(exam, &workers);
    });
    exam.turn_until("the freeing of every callback", || {
        recorder.unfreed().is_empty()
    });
}

pub(super) fn same_ids(exam: &Exam) {
    let sources = sources();
    let (event_impl, recorder) = (exam.event_impl(), exam.recorder());
    let newest = AtomicI32::new(1);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|number| {
                let (event_impl, sources, newest) = (&*event_impl, &sources, &newest);
                scope.spawn(move || {
                    disturb(
                        event_impl,
                        recorder,
                        sources,
                        newest,
                        &mut Random::seeded(number),
                    );
                })
            })
            .collect();
        turn_while(exam, &workers);
    });
    for id in 1..=newest.load(Ordering::Relaxed) {
        // Most of them are gone.
        let _ = event_impl.remove_handle(WatchId::new(id).expect("it is positive"));
        let _ = event_impl.remove_timeout(TimerId::new(id).expect("it is positive"));
    }
    exam.turn_until("the freeing of every callback", || {
        recorder.unfreed().is_empty()
    });
}

pub(super) fn one_removal_wins(exam: &Exam) {
    const ENTRIES: usize = 300;
    const REMOVERS: usize = 3;
    let source = eventfd();
    let watches: Vec<_> = (0..ENTRIES)
        .map(|_| exam.watch(&source, HandleEvents::READABLE).id)
        .collect();
    let timers: Vec<_> = (0..ENTRIES)
        .map(|_| exam.timer(Period::millis(1)).id)
        .collect();
    let successes: Vec<_> = (0..2 * ENTRIES).map(|_| AtomicUsize::new(0)).collect();
    let event_impl = exam.event_impl();
    let start = Barrier::new(REMOVERS);
    thread::scope(|scope| {
        let removers: Vec<_> = (0..REMOVERS)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    for entry in 0..ENTRIES {
                        let watch = event_impl.remove_handle(watches[entry]);
                        let timer = event_impl.remove_timeout(timers[entry]);
                        successes[entry].fetch_add(watch.is_ok().into(), Ordering::Relaxed);
                        successes[ENTRIES + entry]
                            .fetch_add(timer.is_ok().into(), Ordering::Relaxed);
                    }
                })
            })
            .collect();
        turn_while(exam, &removers);
    });
    for (entry, successes) in successes.iter().enumerate() {
        let successes = successes.load(Ordering::Relaxed);
        assert_eq!(
            successes, 1,
            "{successes} of {REMOVERS} removals of entry {entry} succeeded"
        );
    }
}

/// Turns until the threads have ended.
fn turn_while(exam: &Exam, threads: &[ScopedJoinHandle<'_, ()>]) {
    while !threads.iter().all(ScopedJoinHandle::is_finished) {
        exam.turn(Duration::from_millis(1));
    }
}

/// Half of them ready, half not.
fn sources() -> Vec<EventFd> {
    let sources: Vec<_> = (0..16).map(|_| eventfd()).collect();
    for source in sources.iter().step_by(2) {
        source.kick();
    }
    sources
}

/// How long a thread works, and how its adds are spread over that time.
struct Pace {
    began: Instant,
    time: Duration,
}

impl Pace {
    /// About a second, unless patience is short.
    fn new() -> Self {
        Self {
            began: Instant::now(),
            time: Duration::from_secs(1).min(patience() / 2),
        }
    }

    fn is_over(&self) -> bool {
        self.began.elapsed() >= self.time
    }

    fn allows(&self, adds: usize) -> bool {
        adds as f64 <= ADDS as f64 * self.began.elapsed().div_duration_f64(self.time)
    }
}

/// A thread that adds, updates and removes what is its own.
struct Worker<'a> {
    event_impl: &'a dyn EventImpl,
    recorder: &'a Recorder,
    sources: &'a [EventFd],
    random: Random,
    watches: Vec<WatchId>,
    timers: Vec<TimerId>,
    adds: usize,
}

impl Worker<'_> {
    fn work(&mut self) {
        let pace = Pace::new();
        while !pace.is_over() {
            self.step(pace.allows(self.adds));
        }
        while !self.watches.is_empty() {
            self.remove_watch();
        }
        while !self.timers.is_empty() {
            self.remove_timer();
        }
    }

    fn step(&mut self, may_add: bool) {
        match self.random.below(6) {
            0 if may_add && self.watches.len() < 16 => {
                let (callback, _) = self.recorder.handle("a watch", |_| {});
                let fd = self.random.descriptor(self.sources);
                let events = self.random.events();
                let id = self.event_impl.add_handle(fd, events, callback);
                self.watches.push(id.expect("add_handle"));
                self.adds += 1;
            }
            1 if may_add && self.timers.len() < 16 => {
                let (callback, _) = self.recorder.timeout("a timer", |_| {});
                let period = self.random.period();
                let id = self.event_impl.add_timeout(period, callback);
                self.timers.push(id.expect("add_timeout"));
                self.adds += 1;
            }
            2 => {
                if let Some(&id) = self.random.pick(&self.watches) {
                    let events = self.random.events();
                    self.event_impl.update_handle(id, events);
                }
            }
            3 => {
                if let Some(&id) = self.random.pick(&self.timers) {
                    let period = self.random.period();
                    self.event_impl.update_timeout(id, period);
                }
            }
            4 => self.remove_watch(),
            _ => self.remove_timer(),
        }
    }

    fn remove_watch(&mut self) {
        if let Some(index) = self.random.index(self.watches.len()) {
            let id = self.watches.swap_remove(index);
            self.event_impl.remove_handle(id).expect("remove_handle");
        }
    }

    fn remove_timer(&mut self) {
        if let Some(index) = self.random.index(self.timers.len()) {
            let id = self.timers.swap_remove(index);
            self.event_impl.remove_timeout(id).expect("remove_timeout");
        }
    }
}

/// Adds entries, and updates and removes recent ones, whoever added them and
/// whether or not they are still there.
fn disturb(
    event_impl: &dyn EventImpl,
    recorder: &Recorder,
    sources: &[EventFd],
    newest: &AtomicI32,
    random: &mut Random,
) {
    let pace = Pace::new();
    let mut adds = 0;
    while !pace.is_over() {
        let recent = newest.load(Ordering::Relaxed) - random.below(24) as i32;
        let (Some(watch), Some(timer)) = (WatchId::new(recent), TimerId::new(recent)) else {
            // Fewer ids were given out so far.
            newest.fetch_max(24, Ordering::Relaxed);
            continue;
        };
        match random.below(6) {
            0 | 1 if !pace.allows(adds) => {}
            0 => {
                let (callback, _) = recorder.handle("a watch", |_| {});
                let id =
                    event_impl.add_handle(random.descriptor(sources), random.events(), callback);
                newest.fetch_max(id.expect("add_handle").get(), Ordering::Relaxed);
                adds += 1;
            }
            1 => {
                let (callback, _) = recorder.timeout("a timer", |_| {});
                let id = event_impl.add_timeout(random.period(), callback);
                newest.fetch_max(id.expect("add_timeout").get(), Ordering::Relaxed);
                adds += 1;
            }
            2 => event_impl.update_handle(watch, random.events()),
            3 => event_impl.update_timeout(timer, random.period()),
            // Somebody else may have been faster.
            4 => drop(event_impl.remove_handle(watch)),
            _ => drop(event_impl.remove_timeout(timer)),
        }
    }
}

/// The same numbers in every run: xorshift64*.
struct Random(u64);

impl Random {
    fn seeded(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }

    fn index(&mut self, len: usize) -> Option<usize> {
        (len > 0).then(|| self.below(len as u64) as usize)
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let index = self.index(items.len())?;
        Some(&items[index])
    }

    fn descriptor(&mut self, sources: &[EventFd]) -> RawFd {
        self.pick(sources).expect("there are some").as_raw_fd()
    }

    fn events(&mut self) -> HandleEvents {
        HandleEvents::from_bits_truncate(self.below(4) as u32)
    }

    fn period(&mut self) -> Period {
        [
            Period::DISABLED,
            Period::EVERY_ITERATION,
            Period::millis(1),
            Period::millis(50),
        ][self.below(4) as usize]
    }
}
