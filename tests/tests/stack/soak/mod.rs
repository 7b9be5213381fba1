//! Everything at once for ten minutes, after which the process is as small as
//! it was before.
//!
//! A hundred connections to two daemons open and close, subscribe and
//! unsubscribe, cause events and call from several threads, while guests come
//! and go on the same daemons, and the daemons are killed, ended, frozen and
//! replaced. It goes in rounds. After each, everything is opened and counted,
//! then everything is closed and counted: what is there then has to be what was
//! there after the first rounds.
//!
//! `VIRT_EVENT_SOAK_SECONDS` is the duration, and `VIRT_EVENT_SOAK_SEED` lets it
//! choose as it did in an earlier run. The counts go to
//! `target/soak/LOOP.csv`, of which `cargo run -p charts -- soak` draws a chart.

mod flatness;
mod host;
mod keeper;
mod listener;
mod plan;
mod random;
mod record;
mod seat;

use std::env;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use virt_event_examples::Failure;
use virt_event_examples::host_loop::LoopKind;
use virt_event_reactor::Reactor;
use virt_event_tests::rig::wait_until;

use self::host::Host;
use self::keeper::Keeper;
use self::plan::Plan;
use self::random::Random;
use self::record::{Counters, Phase, Record};
use self::seat::Seat;
use crate::scene::{Form, Forms, Played, Scene, scene};
use crate::stage::Stage;

/// One loop that is the project's, and one that is somebody else's. The others
/// differ in how they wait, which the other scenes are about, and not in what
/// they hold.
pub(crate) const SCENES: &[Scene] = &[scene!(
    soak::stays_as_small_as_it_was,
    &[LoopKind::Builtin, LoopKind::Tokio],
    Forms::LongWithin(plan::deadline)
)];

/// Connections.
const SEATS: usize = 100;

/// Threads that use them.
const WORKERS: usize = 4;

/// Daemons.
const HOSTS: usize = 2;

/// Between two counts of a round.
const COUNT_EVERY: Duration = Duration::from_secs(1);

fn stays_as_small_as_it_was(kind: LoopKind, _: Form) -> Played {
    let plan = Plan::from_environment()?;
    without_caches()?;
    println!("{plan:?}");
    let mut stage = Stage::new(kind)?;
    let reactor = stage.reactor();
    stage.beside(move || play(kind, &reactor, &plan))?;
    stage.end();
    Ok(())
}

fn play(kind: LoopKind, reactor: &Arc<Reactor>, plan: &Plan) -> Played {
    let hosts = (0..HOSTS)
        .map(|_| Host::start())
        .collect::<Result<Vec<_>, _>>()?;
    let counters = Counters::default();
    let mut record = Record::create(kind, plan, reactor, &counters)?;
    let mut seats: Vec<_> = (0..SEATS)
        .map(|number| Seat::new(number, &hosts[number % HOSTS], &counters))
        .collect();
    let mut random = Random::new(plan.seed);
    let mut keeper = Keeper::new(&hosts, &counters, random.split());

    let end = Instant::now() + plan.duration;
    while Instant::now() < end {
        let round_ends = end.min(Instant::now() + plan.round);
        round(
            &mut seats,
            &mut keeper,
            &mut random,
            &mut record,
            round_ends,
        )?;
        keeper.leave()?;
        for seat in &mut seats {
            seat.settle()?;
        }
        wait_until("nothing but the seats is open", || {
            let stats = reactor.stats();
            (stats.watches, stats.pending_frees) == (SEATS, 0)
        })?;
        record.take(Phase::Full)?;
        seats.iter_mut().for_each(Seat::leave);
        wait_until("everything is removed and freed", || {
            let stats = reactor.stats();
            (stats.watches, stats.timers, stats.pending_frees) == (0, 0, 0)
        })?;
        record.take(Phase::Empty)?;
    }
    println!("{counters:?}");
    counters.assert_that_all_has_happened();
    flatness::assert_flat(record.quiet());
    Ok(())
}

/// Lets everything come and go until `end`.
fn round<'a>(
    seats: &mut [Seat<'a>],
    keeper: &mut Keeper<'a>,
    random: &mut Random,
    record: &mut Record<'_>,
    end: Instant,
) -> Played {
    let goes_on = AtomicBool::new(true);
    let goes_on = || goes_on.load(Ordering::Relaxed) && Instant::now() < end;
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for seats in seats.chunks_mut(SEATS / WORKERS) {
            let mut random = random.split();
            threads.push(scope.spawn(move || -> Played {
                while goes_on() {
                    let at = random.below(seats.len());
                    seats[at].act(&mut random)?;
                    random.pause(Duration::from_millis(20));
                }
                Ok(())
            }));
        }
        threads.push(scope.spawn(move || -> Played {
            while goes_on() {
                keeper.act()?;
            }
            Ok(())
        }));
        let mut counted = Ok(());
        while goes_on() && counted.is_ok() {
            thread::sleep(COUNT_EVERY.min(end.saturating_duration_since(Instant::now())));
            counted = record.take(Phase::Busy);
        }
        for thread in threads {
            thread.join().expect("it does not panic")?;
        }
        counted
    })
}

/// Begins this process anew, if malloc would keep a cache for each thread. What
/// lies there counts as in use, up to a quarter of a megabyte a thread, and
/// that would hide what leaks slowly.
fn without_caches() -> Played {
    use std::os::unix::process::CommandExt;

    const TUNABLES: &str = "GLIBC_TUNABLES";
    if env::var_os(TUNABLES).is_some() {
        return Ok(());
    }
    let error = Command::new(env::current_exe()?)
        .env(TUNABLES, "glibc.malloc.tcache_count=0")
        .exec();
    Err(error.into())
}

/// A failure that the soak cannot explain.
fn unexpected(what: impl std::fmt::Display) -> Failure {
    what.to_string().into()
}
