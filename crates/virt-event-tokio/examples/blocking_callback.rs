//! What a callback that blocks costs the rest of a multi-thread tokio runtime,
//! what it costs to prevent that, and what is left to others beside a reactor
//! that always has something to do. The figures in the crate's documentation
//! come from here:
//!
//! ```console
//! $ cargo run --release -p virt-event-tokio --example blocking_callback
//! ```
//!
//! Three ways to drive a reactor:
//!
//! - *attach*: `virt_event_tokio::attach`, turns inside `block_in_place`;
//! - *spawned*: a `virt_event_tokio::Drive` that is spawned, plain turns;
//! - *thread*: `virt_event_loop::EventLoop::spawn`, beside the runtime.

use std::error::Error;
use std::fs;
use std::io::{self, Read, Write};
use std::mem;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, mpsc as channel};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, mpsc};
use virt_event::{EventImpl, HandleCallback, HandleEvents, Period, TimeoutCallback};
use virt_event_loop::{EventLoop, LoopThread};
use virt_event_tokio::{Drive, Reactor, attach_on};

/// How long the callback blocks.
const BLOCK: Duration = Duration::from_millis(500);
const REPEATS: usize = 9;
const CALLS: u64 = 200_000;
const ROUND_TRIPS: u64 = 30_000;
/// How long others are counted beside a busy reactor.
const BUSY: Duration = Duration::from_secs(1);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[derive(Clone, Copy, Debug)]
enum Way {
    Attach,
    Spawned,
    Thread,
}

const WAYS: [Way; 3] = [Way::Attach, Way::Spawned, Way::Thread];

fn main() -> Result<()> {
    println!(
        "A callback blocks {BLOCK:?}: how late others were, ms (median and worst of {REPEATS})"
    );
    println!("workers  way         a timer      a socket     the task it woke");
    for workers in [2, 4] {
        for way in WAYS {
            print!("{workers:7}  {:8}", format!("{way:?}"));
            print_columns((0..REPEATS).map(|_| lateness(way, workers)))?;
        }
    }

    println!();
    println!("An event, ns, and its CPU time (median and worst of 5)");
    println!("way         a callback that makes itself ready  a round trip with a thread");
    for way in WAYS {
        print!("{:8}", format!("{way:?}"));
        print_columns((0..5).map(|_| {
            let [again, again_cpu] = again(way)?;
            let [trip, trip_cpu] = round_trip(way)?;
            Ok([again, again_cpu, trip, trip_cpu])
        }))?;
    }

    println!();
    println!("Beside a callback that is always ready, one worker: yields of another task and");
    println!("echoes of a socket, per second (median and worst of 5)");
    for way in [None, Some(Way::Attach), Some(Way::Spawned)] {
        print!("{:8}", way.map_or("alone".into(), |way| format!("{way:?}")));
        print_columns((0..5).map(|_| beside(way)))?;
    }
    Ok(())
}

fn print_columns<const N: usize>(rows: impl Iterator<Item = Result<[u64; N]>>) -> Result<()> {
    let rows = rows.collect::<Result<Vec<_>>>()?;
    for column in 0..N {
        let mut values: Vec<_> = rows.iter().map(|row| row[column]).collect();
        values.sort_unstable();
        let worst = values[values.len() - 1];
        print!("  {:6} {worst:6}", values[values.len() / 2]);
    }
    println!();
    Ok(())
}

/// How late, in ms, a timer, a socket, and the task that the callback woke
/// were while the callback blocked.
fn lateness(way: Way, workers: usize) -> Result<[u64; 3]> {
    let runtime = runtime(workers)?;
    let reactor = Reactor::new()?;
    let _driven = drive(way, &runtime, &reactor)?;

    let timer = Worst::default();
    let noted = timer.clone();
    runtime.spawn(async move {
        loop {
            let due = Instant::now() + Duration::from_millis(5);
            tokio::time::sleep_until(due.into()).await;
            noted.note(due);
        }
    });

    let socket = Worst::default();
    let noted = socket.clone();
    let (mut sender, receiver) = UnixStream::pair()?;
    receiver.set_nonblocking(true)?;
    let (sent_at, mut sent) = mpsc::unbounded_channel();
    runtime.spawn(async move {
        let receiver = tokio::net::UnixStream::from_std(receiver)?;
        while read(&receiver).await? > 0 {
            if let Some(at) = sent.recv().await {
                noted.note(at);
            }
        }
        io::Result::Ok(())
    });
    let sending = thread::spawn(move || {
        let end = Instant::now() + BLOCK * 2;
        while Instant::now() < end {
            thread::sleep(Duration::from_millis(7));
            let _ = sent_at.send(Instant::now());
            let _ = sender.write_all(b"x");
        }
    });

    let notify = Arc::new(Notify::new());
    let notified = Arc::clone(&notify);
    let woken = runtime.spawn(async move {
        notified.notified().await;
        now()
    });

    let (done, mut over) = mpsc::unbounded_channel();
    let mut first = true;
    let callback = TimeoutCallback::new(move |_| {
        if mem::take(&mut first) {
            let woke_at = now();
            notify.notify_one();
            thread::sleep(BLOCK);
            let _ = done.send(woke_at);
        }
    });
    let period = Period::from(Duration::from_millis(200));
    reactor
        .add_timeout(period, callback)
        .map_err(|rejected| rejected.error)?;
    let (woke_at, woken_at) = runtime.block_on(async { (over.recv().await, woken.await) });
    sending.join().map_err(|_| "the sender panicked")?;
    let woken = woken_at? - woke_at.ok_or("the callback is gone")?;
    Ok([timer.millis(), socket.millis(), woken / 1_000_000])
}

/// The time, in ns, of one call of a callback that makes its own descriptor
/// ready again; and the CPU time.
fn again(way: Way) -> Result<[u64; 2]> {
    let runtime = runtime(2)?;
    let reactor = Reactor::new()?;
    let _driven = drive(way, &runtime, &reactor)?;
    let (done, over) = channel::channel();
    let mut left = CALLS;
    let cpu = cpu()?;
    let begin = Instant::now();
    ready_again(&reactor, move || {
        left -= 1;
        if left == 0 {
            let _ = done.send(());
        }
        left > 0
    })?;
    over.recv()?;
    Ok([nanos(begin.elapsed()) / CALLS, cpu_since(cpu)? / CALLS])
}

/// The time, in ns, from a thread's write to its read of the callback's answer;
/// and the CPU time.
fn round_trip(way: Way) -> Result<[u64; 2]> {
    let runtime = runtime(2)?;
    let reactor = Reactor::new()?;
    let _driven = drive(way, &runtime, &reactor)?;
    let (ours, mut theirs) = UnixStream::pair()?;
    let fd = ours.as_raw_fd();
    let callback = HandleCallback::new(move |_, _, _| {
        let mut byte = [0];
        let _ = (&ours).read(&mut byte);
        let _ = (&ours).write(&byte);
    });
    reactor
        .add_handle(fd, HandleEvents::READABLE, callback)
        .map_err(|rejected| rejected.error)?;
    let cpu = cpu()?;
    let begin = Instant::now();
    for _ in 0..ROUND_TRIPS {
        let mut byte = [0];
        theirs.write_all(&byte)?;
        theirs.read_exact(&mut byte)?;
    }
    Ok([
        nanos(begin.elapsed()) / ROUND_TRIPS,
        cpu_since(cpu)? / ROUND_TRIPS,
    ])
}

/// How often, in a second, a task that yields for ever is run, and how often a
/// task echoes what a thread writes, beside a reactor that is always ready.
fn beside(way: Option<Way>) -> Result<[u64; 2]> {
    let runtime = runtime(1)?;
    let reactor = Reactor::new()?;
    let _driven = match way {
        Some(way) => {
            ready_again(&reactor, || true)?;
            drive(way, &runtime, &reactor)?
        }
        None => None,
    };

    let yields = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&yields);
    let yielding = runtime.spawn(async move {
        loop {
            counter.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    thread::sleep(BUSY);
    yielding.abort();

    let (mut ours, theirs) = UnixStream::pair()?;
    theirs.set_nonblocking(true)?;
    runtime.spawn(async move {
        let theirs = tokio::net::UnixStream::from_std(theirs)?;
        while read(&theirs).await? > 0 {
            theirs.try_write(b"x")?;
        }
        io::Result::Ok(())
    });
    let mut echoes = 0;
    let begin = Instant::now();
    while begin.elapsed() < BUSY {
        let mut byte = [0];
        ours.write_all(&byte)?;
        ours.read_exact(&mut byte)?;
        echoes += 1;
    }
    Ok([yields.load(Ordering::Relaxed), echoes])
}

/// Adds a watch that is ready, and stays so while `go_on` says so.
fn ready_again(reactor: &Reactor, mut go_on: impl FnMut() -> bool + Send + 'static) -> Result<()> {
    let (ours, mut theirs) = UnixStream::pair()?;
    theirs.write_all(b"x")?;
    let fd = ours.as_raw_fd();
    let callback = HandleCallback::new(move |_, _, _| {
        let mut byte = [0];
        let _ = (&ours).read(&mut byte);
        if go_on() {
            let _ = (&theirs).write(&byte);
        }
    });
    reactor
        .add_handle(fd, HandleEvents::READABLE, callback)
        .map_err(|rejected| rejected.error)?;
    Ok(())
}

fn runtime(workers: usize) -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
}

/// Drives `reactor` until the runtime, or what comes back, is dropped.
fn drive(way: Way, runtime: &Runtime, reactor: &Arc<Reactor>) -> Result<Option<LoopThread>> {
    match way {
        Way::Attach => {
            attach_on(reactor, runtime.handle())?;
        }
        Way::Spawned => {
            let _context = runtime.enter();
            runtime.spawn(Drive::new(reactor)?);
        }
        Way::Thread => return Ok(Some(EventLoop::attach(reactor)?.spawn()?)),
    }
    Ok(None)
}

async fn read(stream: &tokio::net::UnixStream) -> io::Result<usize> {
    loop {
        stream.readable().await?;
        match stream.try_read(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return done,
        }
    }
}

/// The worst lateness seen, in ns.
#[derive(Clone, Default)]
struct Worst(Arc<AtomicU64>);

impl Worst {
    fn note(&self, due: Instant) {
        self.0.fetch_max(nanos(due.elapsed()), Ordering::Relaxed);
    }

    fn millis(&self) -> u64 {
        self.0.load(Ordering::Relaxed) / 1_000_000
    }
}

/// Nanoseconds since the first call.
fn now() -> u64 {
    static BEGIN: OnceLock<Instant> = OnceLock::new();
    nanos(BEGIN.get_or_init(Instant::now).elapsed())
}

/// The CPU time of this process, in ns.
fn cpu() -> Result<u64> {
    let mut total = 0;
    for task in fs::read_dir("/proc/self/task")? {
        // A thread may end in between, with little to its account.
        if let Ok(line) = fs::read_to_string(task?.path().join("schedstat")) {
            let spent = line.split_whitespace().next().unwrap_or("0");
            total += spent.parse::<u64>()?;
        }
    }
    Ok(total)
}

fn cpu_since(before: u64) -> Result<u64> {
    Ok(cpu()?.saturating_sub(before))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
