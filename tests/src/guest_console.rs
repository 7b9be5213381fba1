//! A guest's console, by which a test moves it.

use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use virt::domain::Domain;
use virt::stream::Stream;
use virt::sys;
use virt_event_monitor::{Monitor, StreamEvents, StreamHandle, StreamWatch};

use crate::rig::{PATIENCE, Poke};

/// A console whose output arrives on the loop, because a thread in a blocking
/// call may sleep for ever (see the traps of [the rig](crate::rig)).
///
/// Every method panics when the guest does not do its part in time.
pub struct GuestConsole {
    watch: StreamWatch,
    received: Receiver<Vec<u8>>,
    /// What was printed after the last thing that was waited for.
    printed: Vec<u8>,
}

impl GuestConsole {
    /// Opens it. Output from before that may be lost.
    pub fn open(monitor: &Monitor, domain: &Domain) -> Self {
        let stream = Stream::new(monitor.connection(), sys::VIR_STREAM_NONBLOCK).unwrap();
        domain.open_console(None, &stream, 0).unwrap();
        let (sender, received) = channel();
        let read = move |stream: &StreamHandle, _| {
            let mut buffer = [0; 256];
            match stream.recv(&mut buffer) {
                Ok(None) => {}
                Ok(Some(length @ 1..)) => {
                    let _ = sender.send(buffer[..length].to_vec());
                }
                // It would be ready for ever.
                Ok(Some(0)) | Err(_) => {
                    let _ = stream.set_interest(StreamEvents::empty());
                }
            }
        };
        let watch = StreamWatch::new(monitor, stream, StreamEvents::READABLE, read).unwrap();
        Self {
            watch,
            received,
            printed: Vec::new(),
        }
    }

    /// Waits until the guest has printed `text`.
    pub fn wait_for(&mut self, text: &[u8]) {
        let began = Instant::now();
        loop {
            let at = self.printed.windows(text.len()).position(|it| it == text);
            if let Some(at) = at {
                self.printed.drain(..at + text.len());
                return;
            }
            self.receive(began);
        }
    }

    /// Sends something that the guest may not be there any more to answer.
    pub fn send(&self, bytes: &[u8]) {
        let mut left = bytes;
        let began = Instant::now();
        while !left.is_empty() {
            assert!(began.elapsed() < PATIENCE, "the console takes nothing");
            let sent = self.watch.handle().send(left).unwrap();
            left = &left[sent.unwrap_or(0)..];
        }
    }

    /// Lets the guest do this, one after the other.
    pub fn poke(&mut self, pokes: impl IntoIterator<Item = Poke>) {
        for poke in pokes {
            let answer = self.try_poke(poke);
            assert_eq!(answer, Poke::DONE, "{poke:x?}");
        }
    }

    /// Lets the guest do this, and returns what it prints then.
    pub fn try_poke(&mut self, poke: Poke) -> u8 {
        self.send(&poke.bytes());
        let began = Instant::now();
        while self.printed.is_empty() {
            self.receive(began);
        }
        self.printed.remove(0)
    }

    fn receive(&mut self, began: Instant) {
        let left = PATIENCE.saturating_sub(began.elapsed());
        match self.received.recv_timeout(left) {
            Ok(bytes) => self.printed.extend(bytes),
            Err(_) => panic!("the guest printed only {:?}", self.printed),
        }
    }
}
