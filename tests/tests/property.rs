//! Random sequences of the six calls and turns, on the reactor and on a model
//! so simple that it can be checked by reading it.
//!
//! Timers are disabled, zero or for ever, so that nothing depends on time;
//! descriptors are eventfds, whose readiness the test decides.

use std::collections::BTreeMap;
use std::os::fd::AsRawFd;
use std::time::Duration;

use proptest::prelude::*;
use rustix::event::{PollFd, PollFlags, poll};
use virt_event::{EventImpl, HandleEvents, Period, TimerId, WatchId};
use virt_event_conformance::fixtures::{EventFd, eventfd};
use virt_event_conformance::{Log, Recorder};
use virt_event_reactor::Reactor;

const DESCRIPTORS: usize = 4;

#[derive(Clone, Debug)]
enum Step {
    AddHandle {
        descriptor: usize,
        interest: u32,
    },
    /// `pick` chooses among all ids ever given out, so that some are stale.
    UpdateHandle {
        pick: usize,
        interest: u32,
    },
    RemoveHandle {
        pick: usize,
    },
    AddTimeout {
        period: i32,
    },
    UpdateTimeout {
        pick: usize,
        period: i32,
    },
    RemoveTimeout {
        pick: usize,
    },
    Kick {
        descriptor: usize,
    },
    Take {
        descriptor: usize,
    },
    Turn,
}

fn step() -> impl Strategy<Value = Step> {
    let descriptor = 0..DESCRIPTORS;
    // One unknown bit among the interests.
    let interest = 0u32..32;
    let period = prop_oneof![Just(-1), Just(0), Just(i32::MAX), Just(i32::MIN)];
    prop_oneof![
        2 => (descriptor.clone(), interest.clone())
            .prop_map(|(descriptor, interest)| Step::AddHandle { descriptor, interest }),
        3 => (any::<usize>(), interest)
            .prop_map(|(pick, interest)| Step::UpdateHandle { pick, interest }),
        1 => any::<usize>().prop_map(|pick| Step::RemoveHandle { pick }),
        1 => period.clone().prop_map(|period| Step::AddTimeout { period }),
        1 => (any::<usize>(), period)
            .prop_map(|(pick, period)| Step::UpdateTimeout { pick, period }),
        1 => any::<usize>().prop_map(|pick| Step::RemoveTimeout { pick }),
        2 => descriptor.clone().prop_map(|descriptor| Step::Kick { descriptor }),
        1 => descriptor.prop_map(|descriptor| Step::Take { descriptor }),
        4 => Just(Step::Turn),
    ]
}

#[derive(Default)]
struct Model {
    ready: [bool; DESCRIPTORS],
    watches: BTreeMap<WatchId, Watch>,
    timers: BTreeMap<TimerId, Timer>,
    /// Removed, and to be freed by the next turn.
    removed: Vec<Log>,
    watch_ids: Vec<WatchId>,
    timer_ids: Vec<TimerId>,
}

struct Watch {
    descriptor: usize,
    interest: HandleEvents,
    log: Log,
    calls: usize,
}

struct Timer {
    period: i32,
    log: Log,
    calls: usize,
}

impl Watch {
    /// What the next iteration must report; an eventfd is always writable.
    fn due(&self, ready: &[bool; DESCRIPTORS]) -> HandleEvents {
        let mut state = HandleEvents::WRITABLE;
        state.set(HandleEvents::READABLE, ready[self.descriptor]);
        self.interest & state
    }
}

impl Model {
    /// Whether a turn would do something.
    fn has_work(&self) -> bool {
        !self.removed.is_empty()
            || self.timers.values().any(|timer| timer.period == 0)
            || self
                .watches
                .values()
                .any(|watch| !watch.due(&self.ready).is_empty())
    }
}

struct Run {
    reactor: std::sync::Arc<Reactor>,
    recorder: Recorder,
    descriptors: [EventFd; DESCRIPTORS],
    model: Model,
}

impl Run {
    fn new(first_id: i32) -> Self {
        Self {
            reactor: Reactor::builder().first_id(first_id).build().unwrap(),
            recorder: Recorder::new(),
            descriptors: std::array::from_fn(|_| eventfd()),
            model: Model::default(),
        }
    }

    fn apply(&mut self, step: &Step) {
        let model = &mut self.model;
        match *step {
            Step::AddHandle {
                descriptor,
                interest,
            } => {
                let (callback, log) = self.recorder.handle("watch", |_| {});
                let fd = self.descriptors[descriptor].as_raw_fd();
                let events = HandleEvents::from_bits_retain(interest);
                let id = self.reactor.add_handle(fd, events, callback).unwrap();
                let watch = Watch {
                    descriptor,
                    interest: HandleEvents::from_bits_truncate(interest),
                    log,
                    calls: 0,
                };
                assert!(model.watches.insert(id, watch).is_none(), "{id} is live");
                model.watch_ids.push(id);
            }
            Step::UpdateHandle { pick, interest } => {
                if let Some(id) = choose(&model.watch_ids, pick) {
                    self.reactor
                        .update_handle(id, HandleEvents::from_bits_retain(interest));
                    if let Some(watch) = model.watches.get_mut(&id) {
                        watch.interest = HandleEvents::from_bits_truncate(interest);
                    }
                }
            }
            Step::RemoveHandle { pick } => {
                if let Some(id) = choose(&model.watch_ids, pick) {
                    let removed = model.watches.remove(&id);
                    assert_eq!(self.reactor.remove_handle(id).is_ok(), removed.is_some());
                    model.removed.extend(removed.map(|watch| watch.log));
                }
            }
            Step::AddTimeout { period } => {
                let (callback, log) = self.recorder.timeout("timer", |_| {});
                let id = self
                    .reactor
                    .add_timeout(Period::from_raw(period), callback)
                    .unwrap();
                let timer = Timer {
                    period,
                    log,
                    calls: 0,
                };
                assert!(model.timers.insert(id, timer).is_none(), "{id} is live");
                model.timer_ids.push(id);
            }
            Step::UpdateTimeout { pick, period } => {
                if let Some(id) = choose(&model.timer_ids, pick) {
                    self.reactor.update_timeout(id, Period::from_raw(period));
                    if let Some(timer) = model.timers.get_mut(&id) {
                        timer.period = period;
                    }
                }
            }
            Step::RemoveTimeout { pick } => {
                if let Some(id) = choose(&model.timer_ids, pick) {
                    let removed = model.timers.remove(&id);
                    assert_eq!(self.reactor.remove_timeout(id).is_ok(), removed.is_some());
                    model.removed.extend(removed.map(|timer| timer.log));
                }
            }
            Step::Kick { descriptor } => {
                self.descriptors[descriptor].kick();
                model.ready[descriptor] = true;
            }
            Step::Take { descriptor } => {
                self.descriptors[descriptor].take();
                model.ready[descriptor] = false;
            }
            Step::Turn => self.turn(),
        }
    }

    /// One iteration: everything that is owed happens once, nothing else
    /// does, and the reactor's readiness says so before and after.
    fn turn(&mut self) {
        let model = &mut self.model;
        if model.has_work() {
            assert!(self.is_readable(), "work, and not readable");
        }
        let turn = self.reactor.turn(Some(Duration::ZERO)).unwrap();
        assert_eq!(turn.iterations, 1);

        let model = &mut self.model;
        for (id, watch) in &mut model.watches {
            let due = watch.due(&model.ready);
            watch.calls += usize::from(!due.is_empty());
            assert_eq!(watch.log.count(), watch.calls, "calls of watch {id}");
            if !due.is_empty() {
                assert_eq!(
                    watch.log.last().unwrap().events,
                    due,
                    "events of watch {id}"
                );
            }
        }
        for (id, timer) in &mut model.timers {
            timer.calls += usize::from(timer.period == 0);
            assert_eq!(timer.log.count(), timer.calls, "calls of timer {id}");
        }
        for log in model.removed.drain(..) {
            assert_eq!(log.frees(), 1);
        }
        if !self.model.has_work() && self.is_readable() {
            // An alarm of an earlier time may be left over; a turn clears it.
            let _ = self.reactor.turn(Some(Duration::ZERO)).unwrap();
            assert!(!self.is_readable(), "readable without work: it would spin");
        }
        self.recorder.check();
    }

    fn is_readable(&self) -> bool {
        let mut fds = [PollFd::new(&self.reactor, PollFlags::IN)];
        poll(&mut fds, Some(&rustix::time::Timespec::default())).unwrap() == 1
    }
}

fn choose<T: Copy>(from: &[T], pick: usize) -> Option<T> {
    (!from.is_empty()).then(|| from[pick % from.len()])
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_reactor_agrees_with_the_model(
        steps in prop::collection::vec(step(), 1..120),
        // Near the end of the id space, ids wrap within the run.
        first_id in prop_oneof![Just(1), i32::MAX - 5..i32::MAX],
    ) {
        let mut run = Run::new(first_id);
        for step in &steps {
            run.apply(step);
        }
        run.turn();
        let Run { reactor, recorder, .. } = run;
        drop(reactor);
        prop_assert!(recorder.unfreed().is_empty(), "{:?}", recorder.unfreed());
        recorder.check();
    }
}
