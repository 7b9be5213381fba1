//! A callback of libvirt's loop that changes the program's state, through a channel.

use std::time::Duration;

use virt_event_calloop::calloop::channel::{self, Event};
use virt_event_calloop::calloop::{EventLoop, LoopSignal};
use virt_event_calloop::virt_event;

/// The program's own state: not `Send`, and nowhere near libvirt.
struct State {
    ticks: u32,
    signal: LoopSignal,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut event_loop = EventLoop::<State>::try_new()?;
    let handle = event_loop.handle();
    // Once, at the start of the program, before the first connection.
    let driver = virt_event_calloop::install(&handle)?;

    // The receiving end has `&mut State` …
    let (sender, receiver) = channel::channel();
    handle
        .insert_source(receiver, |event, _, state| {
            if let Event::Msg(tick) = event {
                state.ticks += tick;
                println!("tick {}", state.ticks);
                if state.ticks == 3 {
                    state.signal.stop();
                }
            }
        })
        .map_err(|refused| refused.error)?;

    // … and what libvirt's loop calls, a timer here, only sends.
    let timer = virt_event::add_timeout(Duration::from_millis(5), move || {
        let _ = sender.send(1); // fails when the receiver is gone
    })?;

    let mut state = State {
        ticks: 0,
        signal: event_loop.get_signal(),
    };
    event_loop.run(None, &mut state, |_| {})?;
    println!("stopped after {} ticks", state.ticks);

    drop(timer); // and every domain and connection
    driver.drain(Duration::from_secs(5))?; // nothing is left behind
    println!("drained");
    Ok(())
}
