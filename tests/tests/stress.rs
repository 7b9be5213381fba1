//! Eight threads against one loop (contract X2), and random re-entrancy from
//! callbacks and frees (C3, C4, C7). The recorder fails the test when a
//! callback is freed twice, called after its free or while it runs, or freed
//! on another thread than the loop's.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use virt_event::{EventImpl, HandleEvents, Period, TimerId, WatchId};
use virt_event_conformance::Recorder;
use virt_event_conformance::fixtures::{EventFd, eventfd};
use virt_event_reactor::Reactor;
use virt_event_tests::slower::slower;

/// A small generator of our own seed, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn interest(&mut self) -> HandleEvents {
        HandleEvents::from_bits_truncate(self.below(16) as u32)
    }

    fn period(&mut self) -> Period {
        Period::from_raw([-1, 0, 1, 5, i32::MAX][self.below(5)])
    }
}

/// The registrations of one thread.
#[derive(Default)]
struct Owned {
    watches: Vec<WatchId>,
    timers: Vec<TimerId>,
}

impl Owned {
    /// One random call; never more than a few registrations at once.
    fn step(
        &mut self,
        reactor: &Reactor,
        recorder: &Recorder,
        descriptors: &[EventFd],
        random: &mut Random,
    ) {
        let descriptor = &descriptors[random.below(descriptors.len())];
        match random.below(8) {
            0 if self.watches.len() < 8 => {
                let (callback, _) = recorder.handle("watch", |_| {});
                let fd = descriptor.as_raw_fd();
                let added = reactor.add_handle(fd, random.interest(), callback);
                self.watches.push(added.unwrap());
            }
            1 if self.timers.len() < 8 => {
                let (callback, _) = recorder.timeout("timer", |_| {});
                let added = reactor.add_timeout(random.period(), callback);
                self.timers.push(added.unwrap());
            }
            2 if !self.watches.is_empty() => {
                let watch = self.watches.swap_remove(random.below(self.watches.len()));
                reactor.remove_handle(watch).unwrap();
                assert!(reactor.remove_handle(watch).is_err());
            }
            3 if !self.timers.is_empty() => {
                let timer = self.timers.swap_remove(random.below(self.timers.len()));
                reactor.remove_timeout(timer).unwrap();
                assert!(reactor.remove_timeout(timer).is_err());
            }
            4 | 5 if !self.watches.is_empty() => {
                let watch = self.watches[random.below(self.watches.len())];
                reactor.update_handle(watch, random.interest());
            }
            6 if !self.timers.is_empty() => {
                let timer = self.timers[random.below(self.timers.len())];
                reactor.update_timeout(timer, random.period());
            }
            _ => {
                if random.below(2) == 0 {
                    descriptor.kick();
                } else {
                    descriptor.take();
                }
            }
        }
    }

    fn remove_all(self, reactor: &Reactor) {
        for watch in self.watches {
            reactor.remove_handle(watch).unwrap();
        }
        for timer in self.timers {
            reactor.remove_timeout(timer).unwrap();
        }
    }
}

#[test]
fn eight_threads_and_a_loop() {
    const RUN: Duration = Duration::from_secs(3);
    let reactor = Reactor::new().unwrap();
    let recorder = Recorder::new();
    let descriptors: Vec<_> = (0..6).map(|_| eventfd()).collect();
    let steps = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);

    thread::scope(|scope| {
        for seed in 1..=8 {
            let (reactor, recorder, descriptors) = (&reactor, &recorder, &descriptors);
            let (steps, stop) = (&steps, &stop);
            scope.spawn(move || {
                let mut random = Random(seed * 0x9E37_79B9);
                let mut owned = Owned::default();
                while !stop.load(Ordering::Relaxed) {
                    owned.step(reactor, recorder, descriptors, &mut random);
                    steps.fetch_add(1, Ordering::Relaxed);
                }
                owned.remove_all(reactor);
            });
        }
        let end = Instant::now() + RUN;
        while Instant::now() < end {
            let _ = reactor.turn(Some(Duration::from_millis(50))).unwrap();
            recorder.check();
        }
        stop.store(true, Ordering::Relaxed);
    });

    reactor.drain(Duration::from_secs(20)).unwrap();
    recorder.check();
    assert!(recorder.unfreed().is_empty(), "{:?}", recorder.unfreed());
    let steps = steps.into_inner();
    assert!(steps > 1000, "only {steps} steps");
}

/// What callbacks and frees share: they do random things to everything.
struct Playground {
    reactor: Arc<Reactor>,
    recorder: Recorder,
    descriptors: Vec<EventFd>,
    owned: Mutex<Owned>,
    random: Mutex<Random>,
    depth: AtomicUsize,
    nested: AtomicUsize,
}

impl Playground {
    /// From inside a callback or a free: a few calls, perhaps a nested turn.
    fn play(self: &Arc<Self>) {
        for _ in 0..self.below(4) {
            self.step();
        }
        if self.below(6) == 0 && self.depth.load(Ordering::Relaxed) < 3 {
            self.depth.fetch_add(1, Ordering::Relaxed);
            let _ = self.reactor.turn(Some(Duration::ZERO)).unwrap();
            self.depth.fetch_sub(1, Ordering::Relaxed);
            self.nested.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn step(self: &Arc<Self>) {
        let (choice, pick, interest, period) = {
            let mut random = self.random.lock().unwrap();
            (
                random.below(9),
                random.below(64),
                random.interest(),
                random.period(),
            )
        };
        let descriptor = &self.descriptors[pick % self.descriptors.len()];
        let watch = self.pick(|owned| &mut owned.watches, pick, choice == 2);
        let timer = self.pick(|owned| &mut owned.timers, pick, choice == 3);
        match (choice, watch, timer) {
            (0, ..) => {
                let (inside, freed) = (Arc::clone(self), Arc::clone(self));
                let (callback, _) = self.recorder.handle_with_free(
                    "watch",
                    move |_| inside.play(),
                    move || freed.play(),
                );
                let fd = descriptor.as_raw_fd();
                let watch = self.reactor.add_handle(fd, interest, callback).unwrap();
                self.owned.lock().unwrap().watches.push(watch);
            }
            (1, ..) => {
                let (inside, freed) = (Arc::clone(self), Arc::clone(self));
                let (callback, _) = self.recorder.timeout_with_free(
                    "timer",
                    move |_| inside.play(),
                    move || freed.play(),
                );
                let timer = self.reactor.add_timeout(period, callback).unwrap();
                self.owned.lock().unwrap().timers.push(timer);
            }
            (2, Some(watch), _) => self.reactor.remove_handle(watch).unwrap(),
            (3, _, Some(timer)) => self.reactor.remove_timeout(timer).unwrap(),
            (4 | 5, Some(watch), _) => self.reactor.update_handle(watch, interest),
            (6, _, Some(timer)) => self.reactor.update_timeout(timer, period),
            (7, ..) => descriptor.kick(),
            _ => {
                descriptor.take();
            }
        }
    }

    fn pick<T: Copy>(
        &self,
        list: fn(&mut Owned) -> &mut Vec<T>,
        pick: usize,
        take: bool,
    ) -> Option<T> {
        let mut owned = self.owned.lock().unwrap();
        let list = list(&mut owned);
        if list.is_empty() {
            return None;
        }
        let index = pick % list.len();
        Some(if take {
            list.swap_remove(index)
        } else {
            list[index]
        })
    }

    fn below(&self, limit: usize) -> usize {
        self.random.lock().unwrap().below(limit)
    }

    fn len(&self) -> usize {
        let owned = self.owned.lock().unwrap();
        owned.watches.len() + owned.timers.len()
    }
}

/// How many games are played; fewer where each takes longer.
const SEEDS: u64 = 40;

#[test]
fn callbacks_and_frees_do_anything() {
    let seeds = SEEDS / u64::from(slower());
    let mut nested = 0;
    for seed in 1..=seeds {
        let playground = Arc::new(Playground {
            reactor: Reactor::new().unwrap(),
            recorder: Recorder::new(),
            descriptors: (0..4).map(|_| eventfd()).collect(),
            owned: Mutex::default(),
            random: Mutex::new(Random(seed * 0x2545_F491)),
            depth: AtomicUsize::new(0),
            nested: AtomicUsize::new(0),
        });
        for _ in 0..400 {
            // Adds from inside breed; keep the population small.
            while playground.len() < 6 {
                playground.step();
            }
            let _ = playground.reactor.turn(Some(Duration::ZERO)).unwrap();
            playground.recorder.check();
            if playground.len() > 60 {
                playground.remove_half();
            }
        }
        nested += playground.nested.load(Ordering::Relaxed);
        playground.finish();
    }
    assert!(nested as u64 > 2 * seeds, "only {nested} nested turns");
}

impl Playground {
    fn remove_half(&self) {
        let half = {
            let mut owned = self.owned.lock().unwrap();
            let (watches, timers) = (owned.watches.len() / 2, owned.timers.len() / 2);
            Owned {
                watches: owned.watches.split_off(watches),
                timers: owned.timers.split_off(timers),
            }
        };
        half.remove_all(&self.reactor);
    }

    /// Frees may add new registrations; goes on until none is left.
    fn finish(&self) {
        let end = Instant::now() + Duration::from_secs(20);
        while self.reactor.drain(Duration::ZERO).is_err() {
            assert!(Instant::now() < end, "{:?}", self.reactor.stats());
            std::mem::take(&mut *self.owned.lock().unwrap()).remove_all(&self.reactor);
            let _ = self.reactor.turn(Some(Duration::ZERO)).unwrap();
        }
        self.recorder.check();
        assert!(self.recorder.unfreed().is_empty());
    }
}
