//! Attaches the terminal to a guest, for as long as the user wants: everything
//! that calls libvirt.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use virt::connect::Connect;
use virt::domain::Domain;
use virt_event_monitor::domain::{Lifecycle, LifecycleChange};
use virt_event_monitor::{CloseReason, Monitor, StreamEvents, StreamWatch};

use super::ending::ClosingLimit;
use super::guest;
use super::log::Log;
use super::notices::Notices;
use super::options::Options;
use super::phase::{News, Phase, Step};
use super::relay::{Relay, Report};
use super::terminal::Terminal;
use crate::Failure;
use crate::domain;
use crate::interrupt::Interrupted;

/// How long the end of a stream may come after the stop of its guest, and the
/// other way round.
const PASSING_LIMIT: Duration = Duration::from_secs(5);

/// How long the guest has to take what was typed before Ctrl-].
const SENDING_LIMIT: Duration = Duration::from_secs(1);

/// What the session waits for. Comes from all threads.
#[derive(Debug)]
pub enum Message {
    /// Something happened to some guest.
    Guest(Lifecycle),
    /// The connection is lost.
    Closed(CloseReason),
    /// Something happened to the bytes.
    Relay(Report),
    /// A signal wants the program to end.
    Interrupted,
}

/// What a session works with.
pub struct Setup {
    /// What the user wants.
    pub options: Options,
    /// Where the bytes are.
    pub relay: Arc<Relay>,
    /// What stdin is, if it is that.
    pub terminal: Option<Arc<Terminal>>,
    /// Where the user is told.
    pub notices: Notices,
    /// Where changes are written.
    pub log: Log,
    /// Begins when the session ends, for all that is to be closed after it.
    pub closing_limit: Option<ClosingLimit>,
}

/// Runs until the user leaves, or there is nothing to do any more, or something
/// goes wrong. When it returns, nothing but `connection` is open.
///
/// # Errors
///
/// - There is no such guest, or its console cannot be opened.
/// - The connection is lost, or the console of a guest that goes on.
/// - [`Interrupted`] after a signal, or if the terminal is gone.
/// - Stdin, stdout or the log fail.
pub fn run(
    setup: &mut Setup,
    connection: &Connect,
    sender: &Sender<Message>,
    messages: &Receiver<Message>,
) -> Result<(), Failure> {
    let monitor = Monitor::new(connection)?;
    let closed = sender.clone();
    let _closing = monitor.on_close(move |reason| drop(closed.send(Message::Closed(reason))));
    let domain = domain::find(connection, &setup.options.domain)?;
    // Of all guests: one that was never defined comes back as another one, with
    // the same name.
    let events = sender.clone();
    let _subscription = monitor
        .subscribe::<Lifecycle>()
        .callback(move |event| drop(events.send(Message::Guest(event))))?;
    if let Some(terminal) = &setup.terminal {
        terminal.make_raw()?;
    }
    setup.relay.start()?;
    let mut session = Session {
        setup,
        monitor: &monitor,
        domain,
        phase: Phase::Off,
        deadline: None,
        console: None,
        number: 0,
        input_ended: false,
        lost: None,
    };
    let result = session.follow(messages);
    session.end(result)
}

struct Session<'a> {
    setup: &'a mut Setup,
    monitor: &'a Monitor,
    domain: Domain,
    phase: Phase,
    /// When a passing phase has lasted too long.
    deadline: Option<Instant>,
    console: Option<StreamWatch>,
    /// Of the last console that was opened.
    number: u64,
    input_ended: bool,
    /// The connection is lost, and its last bytes have not come yet.
    lost: Option<CloseReason>,
}

/// Whether to go on.
type Verdict = Result<ControlFlow<()>, Failure>;

const GO_ON: Verdict = Ok(ControlFlow::Continue(()));
const DONE: Verdict = Ok(ControlFlow::Break(()));

impl Session<'_> {
    fn follow(&mut self, messages: &Receiver<Message>) -> Result<(), Failure> {
        if guest::is_on(&self.domain)? {
            self.attach()?;
        } else {
            let leaving = self.how_to_leave();
            let name = &self.setup.options.domain;
            let words = format!("{name} is off: waiting for its start{leaving}");
            self.tell(&words)?;
        }
        loop {
            let verdict = match self.next(messages) {
                Some(message) => self.hear(message)?,
                None => self.overdue()?,
            };
            if verdict.is_break() {
                return Ok(());
            }
        }
    }

    /// `None` when the deadline has passed.
    fn next(&self, messages: &Receiver<Message>) -> Option<Message> {
        // There is always a sender: the caller has one.
        let Some(deadline) = self.deadline else {
            return messages.recv().ok();
        };
        let limit = deadline.saturating_duration_since(Instant::now());
        messages.recv_timeout(limit).ok()
    }

    fn hear(&mut self, message: Message) -> Verdict {
        match message {
            Message::Guest(event) if self.concerns(&event) => self.hear_of_guest(event),
            Message::Guest(_) => GO_ON,
            Message::Closed(reason) => {
                self.lost = Some(reason);
                if self.console.is_none() {
                    return Err(self.lost_connection(reason));
                }
                // The stream has a last call first.
                self.deadline = Some(Instant::now() + PASSING_LIMIT);
                GO_ON
            }
            Message::Relay(report) => self.hear_of_bytes(report),
            Message::Interrupted => Err(Interrupted.into()),
        }
    }

    fn hear_of_guest(&mut self, event: Lifecycle) -> Verdict {
        self.setup.log.add(&event)?;
        match event.change {
            LifecycleChange::Started(_) => {
                if self.phase != Phase::On {
                    let found =
                        (self.monitor.connection()).lookup_domain_by_uuid(event.domain.uuid);
                    // It may have stopped again.
                    let Ok(domain) = found else { return GO_ON };
                    self.domain = domain;
                }
                self.on(News::Started)
            }
            LifecycleChange::Stopped(_) => self.on(News::Stopped),
            _ => GO_ON,
        }
    }

    fn hear_of_bytes(&mut self, report: Report) -> Verdict {
        match report {
            Report::Left => {
                self.setup.relay.finish_sending(SENDING_LIMIT);
                self.setup.log.add("left")?;
                DONE
            }
            Report::TerminalGone => Err(Interrupted.into()),
            Report::InputEnded => {
                self.input_ended = true;
                match self.phase {
                    Phase::Off => DONE,
                    _ => GO_ON,
                }
            }
            Report::InputFailed(error) => Err(format!("cannot read stdin: {error}").into()),
            Report::OutputFailed(error) => Err(error.into()),
            Report::StreamEnded { number, .. } if number != self.number => GO_ON,
            Report::StreamEnded { error, .. } => {
                if let Some(reason) = self.lost {
                    return Err(self.lost_connection(reason));
                }
                if let Some(error) = error {
                    self.setup
                        .log
                        .add(format_args!("the console failed: {error}"))?;
                }
                self.on(News::StreamEnded)
            }
        }
    }

    fn overdue(&mut self) -> Verdict {
        if let Some(reason) = self.lost {
            return Err(self.lost_connection(reason));
        }
        if self.console.is_some() && self.setup.relay.awaits_stdout() {
            // The stream could not end: stdout has not taken what came before.
            self.deadline = Some(Instant::now() + PASSING_LIMIT);
            return GO_ON;
        }
        self.on(News::Overdue)
    }

    fn on(&mut self, news: News) -> Verdict {
        let (phase, step) = self.phase.on(news);
        self.phase = phase;
        self.deadline = phase.is_passing().then(|| Instant::now() + PASSING_LIMIT);
        match step {
            Step::Stay => GO_ON,
            Step::Attach => self.attach().and(GO_ON),
            Step::Close => {
                self.close();
                GO_ON
            }
            Step::Detach => self.detach(),
            Step::Reattach => match self.detach()? {
                ControlFlow::Continue(()) => self.attach().and(GO_ON),
                ControlFlow::Break(()) => DONE,
            },
            Step::GiveUp if !guest::is_on(&self.domain)? => self.on(News::Stopped),
            Step::GiveUp => Err(format!(
                "the console of {} was closed while the guest goes on: \
                 another client may have taken it over with `--force`",
                self.setup.options.domain
            )
            .into()),
        }
    }

    fn attach(&mut self) -> Result<(), Failure> {
        let setup = &mut *self.setup;
        let connection = self.monitor.connection();
        let stream = match guest::open_console(connection, &self.domain, &setup.options) {
            Ok(stream) => stream,
            // It has stopped meanwhile.
            Err(_) if !guest::is_on(&self.domain)? => return Ok(()),
            Err(error) => return Err(guest::console_failure(&error, &setup.options)),
        };
        self.number += 1;
        let number = self.number;
        let relay = Arc::downgrade(&setup.relay);
        // Of no interest before the relay has it, or the last call of a
        // connection that dies could come too early.
        let nothing = StreamEvents::empty();
        let console = StreamWatch::new(self.monitor, stream, nothing, move |_, events| {
            if let Some(relay) = relay.upgrade() {
                relay.stream_ready(number, guest::handle_events(events));
            }
        })
        .map_err(|rejected| rejected.error)?;
        self.phase = Phase::On;
        let leaving = self.how_to_leave();
        let name = &self.setup.options.domain;
        let words = format!("attached to {name}{leaving}");
        self.tell(&words)?;
        let handle = console.handle().clone();
        self.console = Some(console);
        self.setup.relay.attach(number, Arc::new(handle));
        Ok(())
    }

    fn detach(&mut self) -> Verdict {
        self.close();
        self.tell("detached: guest stopped")?;
        match self.input_ended {
            true => DONE,
            false => GO_ON,
        }
    }

    fn close(&mut self) {
        self.setup.relay.detach();
        if let Some(console) = self.console.take() {
            // An error would be that of a stream that has ended, and the end of
            // the stream is what there was to be told.
            let _ = console.finish();
        }
    }

    /// Closes everything, after all output that came is written.
    fn end(mut self, result: Result<(), Failure>) -> Result<(), Failure> {
        let result = result.map_err(|error| match self.monitor.close_reason() {
            // Whatever failed did so for this reason.
            Some(reason) if !error.is::<Interrupted>() => self.lost_connection(reason),
            _ => error,
        });
        if let Err(error) = &result {
            // Were this to fail, there would be a worse error to tell.
            let _ = self.setup.log.add(format_args!("ends: {error}"));
        }
        // Not if the user has left, or leaves while it waits.
        self.setup.relay.flush();
        self.setup.relay.leave();
        if let Some(terminal) = &self.setup.terminal {
            terminal.restore();
        }
        self.setup.closing_limit = ClosingLimit::start(&result).ok();
        self.close();
        result
    }

    /// Whether the guest is the one that the user named.
    fn concerns(&self, event: &Lifecycle) -> bool {
        let domain = &event.domain;
        self.domain.uuid().is_ok_and(|uuid| uuid == domain.uuid)
            || self.domain.name().is_ok_and(|name| name == domain.name)
    }

    /// Tells the user, and the log.
    fn tell(&mut self, words: &str) -> Result<(), Failure> {
        self.setup.notices.tell(words);
        self.setup.log.add(words)
    }

    fn how_to_leave(&self) -> &'static str {
        match self.setup.terminal {
            Some(_) => "; Ctrl-] leaves",
            None => "",
        }
    }

    fn lost_connection(&self, reason: CloseReason) -> Failure {
        let uri = &self.setup.options.uri;
        format!("the connection to {uri} is lost: {reason}").into()
    }
}
