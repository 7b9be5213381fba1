//! Opening a connection, and opening it again after it was lost.
//!
//! # What may be missed
//!
//! libvirt's events are news, not a record. What happens between the loss of a
//! connection and the moment at which everything is subscribed to again is told
//! to nobody, and neither is what the daemon had sent that did not arrive. So
//! whoever keeps an account of states (which domains run, which volumes there
//! are) asks for them anew in each [`Session::begin`], *after* subscribing: what
//! changes between the two is then told twice rather than never. Ids of domains
//! and connection-bound objects are of the past; names and UUIDs stay.
//!
//! # Why it is done on this thread
//!
//! [`Connect::open`] blocks, for as long as a host that does not answer likes,
//! and cannot be called off. On the loop's thread it would keep every other
//! connection from its events and its keepalive; the loop has to run meanwhile.
//! So all this is for a thread beside the loop, and the opening itself is done
//! on another one, which can be left behind when the user has had enough.

use std::error::Error;
use std::fmt;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use virt::connect::Connect;
use virt_event_monitor::CloseReason;

use crate::Failure;
use crate::stopping::{Stop, Stopping};

/// What is done with a connection.
pub trait Session {
    /// What holds the connection: monitor, subscriptions, domains.
    type Live;

    /// Subscribes, and asks for whatever has to be known. Called for each
    /// connection anew.
    ///
    /// # Errors
    ///
    /// - libvirt refuses. If that is because the connection is lost already, it
    ///   is taken as lost.
    fn begin(&mut self, connection: &Connect) -> Result<Self::Live, Failure>;

    /// Goes on until nothing is left to do, or the connection is lost. Nothing
    /// that holds the connection may be kept: it must be gone before the next
    /// one is opened.
    ///
    /// # Errors
    ///
    /// - Whatever ends the program.
    fn follow(&mut self, live: Self::Live) -> Result<Ended, Failure>;
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// There is no more to do.
    Done,
    /// The connection is lost.
    Lost(CloseReason),
}

/// Where to connect to, and who may end it.
pub struct Link<'a> {
    /// `None` is libvirt's default.
    pub uri: Option<&'a str>,
    /// Ends whatever is waited for here.
    pub stopping: &'a Stopping,
    /// Tells the user how it stands with the connection.
    pub tell: &'a dyn Fn(fmt::Arguments<'_>),
}

impl Link<'_> {
    /// One session, until it ends.
    ///
    /// # Errors
    ///
    /// - Those of [`open`](Self::open) and of the session, and the loss of the
    ///   connection.
    pub fn once<S: Session>(&self, session: &mut S) -> Result<(), Failure> {
        let connection = self.open()?;
        let live = session.begin(&connection)?;
        (self.tell)(format_args!("following {self} until Ctrl-C"));
        match session.follow(live)? {
            Ended::Done => Ok(()),
            Ended::Lost(reason) => Err(self.lost(&reason).into()),
        }
    }

    /// One session after the other, with a new connection for each, until one is
    /// done or the user ends it. Between two there is a pause that doubles while
    /// nothing comes of it: see [`Pauses`].
    ///
    /// # Errors
    ///
    /// - The first connection cannot be opened: then it is likely that the URI
    ///   is wrong.
    /// - Those of the session, while the connection is alive.
    /// - [`CutShort`].
    pub fn keep<S: Session>(&self, session: &mut S) -> Result<(), Failure> {
        let mut connection = self.open()?;
        let mut pauses = Pauses::default();
        let mut again = "";
        loop {
            let began = Instant::now();
            let lost = match session.begin(&connection) {
                Ok(live) => {
                    (self.tell)(format_args!("following {self}{again} until Ctrl-C"));
                    match session.follow(live)? {
                        Ended::Done => return Ok(()),
                        Ended::Lost(reason) => self.lost(&reason),
                    }
                }
                // Asks this process only, not the host.
                Err(error) if !connection.is_alive().unwrap_or(false) => self.lost(&*error),
                Err(error) => return Err(error),
            };
            // The dead one goes first: its descriptor and its timers would stay
            // on the loop for as long as it is held.
            drop(connection);
            pauses.lasted(began.elapsed());
            match self.open_again(lost, &mut pauses)? {
                Some(opened) => connection = opened,
                None => return Ok(()),
            }
            again = " again, without what happened meanwhile,";
        }
    }

    /// Opens the connection, while the loop runs on another thread.
    ///
    /// # Errors
    ///
    /// - libvirt cannot open it.
    /// - [`CutShort`] if the user could not wait.
    pub fn open(&self) -> Result<Connect, Failure> {
        enum Outcome {
            Opened(Result<Connect, virt::error::Error>),
            Stopped(Stop),
        }

        let (sender, outcome) = mpsc::channel();
        let stopped = sender.clone();
        self.stopping
            .on_stop(move |why| drop(stopped.send(Outcome::Stopped(why))));
        let uri = self.uri.map(str::to_owned);
        thread::Builder::new()
            .name("opening".to_owned())
            .spawn(move || {
                // If nobody waits any more, that closes it.
                let _ = sender.send(Outcome::Opened(Connect::open(uri.as_deref())));
            })?;
        match outcome.recv()? {
            Outcome::Opened(Ok(connection)) => {
                // A host that is there but silent is noticed after 20 s. Drivers
                // in this process have no keepalive and refuse, which does not
                // matter.
                let _ = connection.set_keep_alive(5, 3);
                Ok(connection)
            }
            Outcome::Opened(Err(error)) => {
                Err(format!("cannot open {self}: {}", error.message()).into())
            }
            Outcome::Stopped(why) => Err(CutShort(why).into()),
        }
    }

    /// Opens it again, as often as it takes; `None` if the user ends a pause.
    fn open_again(&self, lost: String, pauses: &mut Pauses) -> Result<Option<Connect>, Failure> {
        let mut why = lost;
        loop {
            let pause = pauses.next();
            (self.tell)(format_args!(
                "{why}; opening it again in {} s",
                pause.as_secs_f64()
            ));
            if self.stopping.wait(pause).is_some() {
                return Ok(None);
            }
            match self.open() {
                Ok(connection) => return Ok(Some(connection)),
                Err(error) if error.is::<CutShort>() => return Err(error),
                Err(error) => why = error.to_string(),
            }
        }
    }

    fn lost(&self, why: &dyn fmt::Display) -> String {
        format!("the connection to {self} was closed: {why}")
    }
}

/// Where it leads, in words.
impl fmt::Display for Link<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.uri {
            Some(uri) => write!(f, "`{uri}`"),
            None => f.write_str("libvirt's default URI"),
        }
    }
}

/// The user ended the program while a connection was being opened. The thread
/// that opens it is still inside libvirt, so the program must end without
/// draining the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutShort(pub Stop);

impl fmt::Display for CutShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} while opening the connection", self.0)
    }
}

impl Error for CutShort {}

/// The pauses before one attempt after the other: 0.1 s, then twice as long each
/// time, up to 30 s. They begin anew after a connection that lasted at least as
/// long as the pause before it, so that a daemon which lets its clients in and
/// crashes is not asked ten times a second.
///
/// There is no element of chance. That would help a daemon that loses thousands
/// of clients at once, which is not how libvirt is used.
#[derive(Debug, Default)]
pub struct Pauses {
    last: Duration,
}

impl Pauses {
    /// The first one.
    pub const FIRST: Duration = Duration::from_millis(100);
    /// None is longer.
    pub const LONGEST: Duration = Duration::from_secs(30);

    /// How long to pause now.
    #[expect(clippy::should_implement_trait, reason = "it does not end")]
    pub fn next(&mut self) -> Duration {
        self.last = (self.last * 2).clamp(Self::FIRST, Self::LONGEST);
        self.last
    }

    /// A connection was there for so long.
    pub fn lasted(&mut self, time: Duration) {
        if time >= self.last {
            self.last = Duration::ZERO;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit() {
        let mut pauses = Pauses::default();
        let first: Vec<_> = (0..4).map(|_| pauses.next().as_millis()).collect();
        assert_eq!(first, [100, 200, 400, 800]);
        let rest: Vec<_> = (0..20).map(|_| pauses.next()).collect();
        assert_eq!(rest[19], Pauses::LONGEST);
        assert!(rest.is_sorted());
    }

    #[test]
    fn a_connection_that_lasted_is_a_success() {
        let mut pauses = Pauses::default();
        pauses.lasted(Duration::ZERO);
        assert_eq!(pauses.next(), Pauses::FIRST);
        assert_eq!(pauses.next(), 2 * Pauses::FIRST);
        pauses.lasted(Pauses::FIRST);
        assert_eq!(pauses.next(), 4 * Pauses::FIRST, "it was short-lived");
        pauses.lasted(4 * Pauses::FIRST);
        assert_eq!(pauses.next(), Pauses::FIRST);
    }

    #[test]
    fn stopping_ends_a_pause() {
        let stopping = Stopping::default();
        stopping.stop(Stop::Interrupted);
        let link = Link {
            uri: None,
            stopping: &stopping,
            tell: &|_| {},
        };
        let mut pauses = Pauses {
            last: Pauses::LONGEST,
        };
        let opened = link.open_again("lost".to_owned(), &mut pauses);
        assert!(opened.unwrap().is_none());
    }
}
