//! The signs of life that both sides ask for: with a loop that runs, and with
//! one that does not.

use std::slice;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use virt_event_conformance::{LogRecord, Logs};
use virt_event_examples::host_loop::LoopKind;
use virt_event_monitor::CloseReason;
use virt_event_reactor::Reactor;
use virt_event_tests::rig::{Daemon, patience, wait_until};

use crate::client::{Client, DOMAIN, EVENTS_OF_A_CHANGE, INTERVAL, LIMIT, change, daemon, idle};
use crate::scene::{Form, Forms, Played, Scene, scene};
use crate::stage::Stage;

pub(crate) const SCENES: &[Scene] = &[
    scene!(keepalive::a_running_loop, LoopKind::ALL, Forms::USUAL),
    scene!(keepalive::a_stopped_loop, LoopKind::ALL, Forms::USUAL),
];

/// A connection on which nothing happens outlives its limit many times.
fn a_running_loop(kind: LoopKind, form: Form) -> Played {
    let time = LIMIT * form.choose(2, 20);
    let mut stage = Stage::new(kind)?;
    let reactor = stage.reactor();
    stage.beside(move || {
        // Of the first, only the client asks: by its timers on the loop. It need
        // not if the daemon does.
        for daemon in [Daemon::start()?, daemon()?] {
            stay_alive(&daemon, &reactor, time)?;
        }
        Ok(())
    })?;
    stage.end();
    Ok(())
}

fn stay_alive(daemon: &Daemon, reactor: &Reactor, time: Duration) -> Played {
    let client = Client::kept_alive(&daemon.test_uri())?;
    let before = reactor.stats().callbacks;
    idle(slice::from_ref(&client), time)?;
    // A question or an answer for each interval. One may be put off by another
    // that came just before.
    let callbacks = reactor.stats().callbacks - before;
    let intervals = time.as_secs() / u64::from(INTERVAL);
    assert!(callbacks >= intervals / 2, "{callbacks} callbacks");
    let domain = client.domain(DOMAIN)?;
    change(&domain)?;
    client
        .wait_for(DOMAIN, EVENTS_OF_A_CHANGE)
        .map_err(Into::into)
}

/// A loop that was installed, ran, and does not run any more: the operator is
/// told, the daemon cuts the connection, and once the loop runs again the
/// program learns of it.
fn a_stopped_loop(kind: LoopKind, _: Form) -> Played {
    const STALL: Duration = Duration::from_secs(1);

    let logs = Logs::capture();
    let reactor = Reactor::builder().stall_after(STALL).build()?;
    // An installation drives what is installed already.
    virt_event_libvirt::install(reactor).map_err(|refused| refused.error)?;
    let daemon = daemon()?;
    let uri = daemon.test_uri();
    let mut stage = Stage::new(kind)?;
    let client = stage.beside(move || Client::kept_alive(&uri))?;
    assert_eq!(daemon.clients()?.len(), 1);
    let (sender, told) = channel();
    let waiting = client.monitor().on_close(move |reason| {
        let _ = sender.send(reason);
    });

    // From here on nobody turns.
    let reactor = stage.reactor();
    let before = reactor.stats();
    let mut left = Ok(Vec::new());
    wait_until("the daemon cuts it off", || {
        reactor.stats();
        // To ask takes a process, which others would have to wait for.
        thread::sleep(LIMIT / 20);
        left = daemon.clients();
        !matches!(&left, Ok(clients) if !clients.is_empty())
    })?;
    left?;
    wait_until("there is a warning", || {
        reactor.stats();
        !stalls(&logs).is_empty()
    })?;
    let after = reactor.stats();
    assert_eq!(after.turns, before.turns, "nobody turned");
    assert_eq!(after.warnings, before.warnings + 1, "one warning");
    assert_warns(&stalls(&logs), before.watches, before.timers);
    assert_eq!(client.monitor().close_reason(), None, "nobody could tell");

    stage.beside(move || {
        assert_eq!(told.recv_timeout(patience())?, CloseReason::Eof);
        client.connection().hostname().unwrap_err();
        drop((waiting, client));
        Ok(())
    })?;
    stage.end();
    assert_eq!(stalls(&logs).len(), 1, "it runs again");
    Ok(())
}

/// What was said about a loop that is not run.
fn stalls(logs: &Logs) -> Vec<LogRecord> {
    let mut warnings = logs.warnings();
    warnings.retain(|record| record.text.contains("nobody runs it"));
    warnings
}

/// One warning, with the numbers of what is registered and why it matters.
fn assert_warns(warnings: &[LogRecord], watches: usize, timers: usize) {
    let [LogRecord { text, .. }] = warnings else {
        panic!("not one warning: {warnings:#?}");
    };
    assert!(watches > 0 && timers > 0, "{watches} and {timers}");
    for word in [format!("watches={watches}"), format!("timers={timers}")] {
        assert!(
            text.split_whitespace().any(|it| it == word),
            "{word}: {text}"
        );
    }
    assert!(text.contains("keepalive"), "{text}");
}
