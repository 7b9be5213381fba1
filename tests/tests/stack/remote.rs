//! The remote driver over a real socket, on each loop.

use std::thread;

use virt::connect::Connect;
use virt_event_examples::host_loop::LoopKind;
use virt_event_tests::rig::Daemon;

use crate::client::{Client, EVENTS_OF_A_CHANGE, change, description};
use crate::scene::{Form, Forms, Played, Scene, scene};
use crate::stage::Stage;

pub(crate) const SCENES: &[Scene] = &[scene!(
    remote::calls_from_many_threads,
    LoopKind::ALL,
    Forms::USUAL
)];

/// Those that hear of all that happens.
const LISTENERS: usize = 3;

/// Those that call into the connection of the first listener, together.
const SHARING: usize = 4;

/// Those that have a connection of their own.
const ALONE: usize = 4;

/// Those that open and close one after the other.
const COMING_AND_GOING: usize = 2;

/// How many calls it takes until a thread changes something.
const CALLS_FOR_A_CHANGE: usize = 10;

/// Connections come and go, and answer calls of many threads, while the loop
/// runs; each event of each thread's domain is heard, in its order; then nothing
/// is left.
fn calls_from_many_threads(kind: LoopKind, form: Form) -> Played {
    let calls = form.choose(150, 5_000);
    let mut stage = Stage::new(kind)?;
    stage.beside(move || {
        let daemon = Daemon::start()?;
        call_and_hear(&daemon.test_uri(), calls)
    })?;
    stage.end();
    Ok(())
}

fn call_and_hear(uri: &str, calls: usize) -> Played {
    let listeners = (0..LISTENERS)
        .map(|_| Client::open(uri))
        .collect::<Result<Vec<_>, _>>()?;
    let shared = listeners[0].connection();
    thread::scope(|scope| {
        let sharing = (0..SHARING).map(|number| {
            let name = format!("sharing-{number}");
            scope.spawn(move || call(shared, &name, calls))
        });
        let alone = (0..ALONE).map(|number| {
            let name = format!("alone-{number}");
            scope.spawn(move || call(&Connect::open(Some(uri))?, &name, calls))
        });
        let coming_and_going = (0..COMING_AND_GOING).map(|number| {
            let name = format!("coming-{number}");
            scope.spawn(move || come_and_go(uri, &name, calls / CALLS_FOR_A_CHANGE))
        });
        let threads: Vec<_> = sharing.chain(alone).chain(coming_and_going).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().expect("it does not panic"))
    })?;
    let numbered =
        |what: &'static str, count| (0..count).map(move |number| format!("{what}-{number}"));
    let domains = numbered("sharing", SHARING)
        .chain(numbered("alone", ALONE))
        .chain(numbered("coming", COMING_AND_GOING));
    for domain in domains {
        for listener in &listeners {
            listener.wait_for(&domain, calls / CALLS_FOR_A_CHANGE * EVENTS_OF_A_CHANGE)?;
        }
    }
    Ok(())
}

/// Asks for a domain of its own again and again, and changes it now and then.
/// All calls are short: two threads in one connection must not make others.
fn call(connection: &Connect, name: &str, calls: usize) -> Played {
    let domain = connection.create_domain_xml(&description(name), 0)?;
    for call in 1..=calls {
        assert_eq!(connection.lookup_domain_by_name(name)?.name()?, name);
        if call % CALLS_FOR_A_CHANGE == 0 {
            change(&domain)?;
        }
    }
    Ok(domain.destroy()?)
}

/// Opens a connection, hears what it does itself, and closes it, again and again.
fn come_and_go(uri: &str, name: &str, times: usize) -> Played {
    for _ in 0..times {
        let client = Client::open(uri)?;
        let domain = client
            .connection()
            .create_domain_xml(&description(name), 0)?;
        change(&domain)?;
        client.wait_for(name, EVENTS_OF_A_CHANGE)?;
        domain.destroy()?;
    }
    Ok(())
}
