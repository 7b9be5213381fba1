//! A daemon that goes away and comes back.

use std::sync::atomic::{AtomicUsize, Ordering};

use virt_event_examples::Failure;
use virt_event_tests::rig::{Daemon, RigError};

/// A mock driver's state that no other connection shares, so that a seat knows
/// which events it has to hear.
const NODE: &str = "<node><domain type='test'><name>own</name><memory>1024</memory>\
                    <os><type>hvm</type></os></domain></node>";

pub(super) struct Host {
    daemon: Daemon,
    /// Where seats connect to.
    uri: String,
    /// How often it went away or came back: odd while it is away. Changed
    /// before it goes and after it has come.
    age: AtomicUsize,
}

/// The age of a host when something began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Age(usize);

impl Host {
    pub(super) fn start() -> Result<Self, RigError> {
        let daemon = Daemon::start()?;
        Ok(Self {
            uri: daemon.test_uri_of("node.xml", NODE)?,
            daemon,
            age: AtomicUsize::new(0),
        })
    }

    pub(super) fn uri(&self) -> &str {
        &self.uri
    }

    pub(super) fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    pub(super) fn age(&self) -> Age {
        Age(self.age.load(Ordering::SeqCst))
    }

    /// Lets it go in this way.
    pub(super) fn end(&self, end: fn(&Daemon) -> Result<(), RigError>) -> Result<(), RigError> {
        self.age.fetch_add(1, Ordering::SeqCst);
        end(&self.daemon)
    }

    pub(super) fn restart(&self) -> Result<(), RigError> {
        self.daemon.restart()?;
        self.age.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// Whether something that began at `age` may fail.
    pub(super) fn excuses(&self, age: Age) -> bool {
        age.0 % 2 == 1 || self.age().0 != age.0
    }

    /// What failed, if the host cannot be why.
    pub(super) fn excuse(
        &self,
        age: Age,
        what: &str,
        error: impl Into<Failure>,
    ) -> Result<(), Failure> {
        if self.excuses(age) {
            return Ok(());
        }
        Err(format!("{what}: {}, on a host that was there", error.into()).into())
    }
}
