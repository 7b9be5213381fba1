//! Watches that make themselves ready again, on whatever loops there are: the
//! most that can be gained by a second one, for nothing is shared but the kernel
//! and what the loops themselves share.

use std::hint::black_box;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use virt_event::{EventImpl, HandleCallback, HandleEvents};

use crate::eventfd::EventFd;
use crate::loops::{Kind, Loops};

/// How many there are.
const WATCHES: usize = 64;

pub(crate) struct PingPong {
    loops: Loops,
    /// Of each loop.
    counts: Vec<Arc<Count>>,
    /// How much a callback does besides.
    work: Arc<AtomicU64>,
}

/// The events of one loop, alone on its lines of the processors' caches.
#[derive(Default)]
#[repr(align(128))]
struct Count(AtomicU64);

impl PingPong {
    pub(crate) fn new(kind: Kind) -> Result<Self> {
        let loops = Loops::run(kind)?;
        let counts: Vec<_> = (0..loops.len()).map(|_| Arc::<Count>::default()).collect();
        let work = Arc::new(AtomicU64::new(0));
        for at in 0..WATCHES {
            let fd = EventFd::new()?;
            fd.kick();
            let raw = fd.as_raw_fd();
            let count = Arc::clone(&counts[at % counts.len()]);
            let work = Arc::clone(&work);
            let callback = HandleCallback::new(move |_, _, _| {
                fd.take();
                multiply(work.load(Ordering::Relaxed));
                count.0.fetch_add(1, Ordering::Relaxed);
                fd.kick();
            });
            let add = || {
                let events = loops.events;
                events.add_handle(raw, HandleEvents::READABLE, callback)
            };
            loops.on(at, add).map_err(virt_event::Error::from)?;
        }
        Ok(Self {
            loops,
            counts,
            work,
        })
    }

    /// Events a second, and the processor time of one, with so many
    /// multiplications in each callback.
    pub(crate) fn run(&self, work: u64, time: Duration) -> Result<(f64, Duration)> {
        self.work.store(work, Ordering::Relaxed);
        let before = self.look()?;
        let began = Instant::now();
        thread::sleep(time);
        let after = self.look()?;
        let events = after.0 - before.0;
        let rate = events as f64 / began.elapsed().as_secs_f64();
        let each = (after.1 - before.1).as_secs_f64() / events as f64;
        Ok((rate, Duration::from_secs_f64(each)))
    }

    /// Events, and processor time.
    fn look(&self) -> Result<(u64, Duration)> {
        let resting = self.loops.rest()?;
        let counts = self.counts.iter().map(|it| it.0.load(Ordering::Relaxed));
        Ok((counts.sum(), resting.time()))
    }
}

/// Something that takes time and no memory.
fn multiply(times: u64) {
    let mut number = 1_u64;
    for _ in 0..times {
        number = black_box(number.wrapping_mul(3));
    }
}
