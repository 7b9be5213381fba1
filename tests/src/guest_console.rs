//! A guest's console, by which a test moves it.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use virt::domain::Domain;
use virt::stream::Stream;
use virt::sys;
use virt_event_monitor::{Error, Monitor, StreamEvents, StreamHandle, StreamWatch};

use crate::rig::{Poke, patience};

/// A console whose output arrives on the loop, because a thread in a blocking
/// call may sleep for ever (see the traps of [the rig](crate::rig)).
///
/// Every method panics when the guest does not do its part in time.
pub struct GuestConsole {
    watch: StreamWatch,
    heard: Receiver<Heard>,
    /// What was printed after the last thing that was waited for.
    printed: Vec<u8>,
}

impl GuestConsole {
    /// Opens it. Output from before that may be lost.
    pub fn open(monitor: &Monitor, domain: &Domain) -> Self {
        let stream = Stream::new(monitor.connection(), sys::VIR_STREAM_NONBLOCK).unwrap();
        domain.open_console(None, &stream, 0).unwrap();
        Self::of(monitor, stream)
    }

    /// That of a stream that is open already.
    pub fn of(monitor: &Monitor, stream: Stream) -> Self {
        let (sender, heard) = channel();
        let mut hung_up = false;
        let read = move |stream: &StreamHandle, events: StreamEvents| {
            hung_up |= events.contains(StreamEvents::HANGUP);
            read(stream, hung_up, &sender);
        };
        let watch = StreamWatch::new(monitor, stream, StreamEvents::READABLE, read).unwrap();
        Self {
            watch,
            heard,
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
            assert!(began.elapsed() < patience(), "the console takes nothing");
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

    /// Takes exactly so many bytes, as soon as the guest has printed them.
    pub fn take(&mut self, length: usize) -> Vec<u8> {
        let mut began = Instant::now();
        while self.printed.len() < length {
            self.receive(began);
            // It is patient for each piece, since there may be many.
            began = Instant::now();
        }
        self.printed.drain(..length).collect()
    }

    /// Waits for the end of the stream.
    pub fn end(&mut self) -> Ending {
        let began = Instant::now();
        loop {
            match self.hear(began) {
                Some(Heard::Bytes(bytes)) => self.printed.extend(bytes),
                Some(Heard::End(ending)) => return ending,
                None => panic!("the console does not end"),
            }
        }
    }

    fn receive(&mut self, began: Instant) {
        match self.hear(began) {
            Some(Heard::Bytes(bytes)) => self.printed.extend(bytes),
            other => panic!("{other:?}, and the guest printed only {:?}", self.printed),
        }
    }

    fn hear(&self, began: Instant) -> Option<Heard> {
        let left = patience().saturating_sub(began.elapsed());
        self.heard.recv_timeout(left).ok()
    }
}

/// How the stream of a console ended.
#[derive(Debug)]
pub struct Ending {
    /// Whether that came as a hang-up.
    pub hung_up: bool,
    /// Without one it was the end of what the guest prints.
    pub error: Option<Error>,
}

/// What the loop sends on.
#[derive(Debug)]
enum Heard {
    Bytes(Vec<u8>),
    End(Ending),
}

/// Receives what there is.
fn read(stream: &StreamHandle, hung_up: bool, sender: &Sender<Heard>) {
    let mut buffer = [0; 4096];
    loop {
        let error = match stream.recv(&mut buffer) {
            Ok(None) => return,
            Ok(Some(length @ 1..)) => {
                let _ = sender.send(Heard::Bytes(buffer[..length].to_vec()));
                continue;
            }
            Ok(Some(0)) => None,
            Err(error) => Some(error),
        };
        let _ = sender.send(Heard::End(Ending { hung_up, error }));
        // It would be ready for ever.
        let _ = stream.set_interest(StreamEvents::empty());
        return;
    }
}
