use std::fmt;
use std::io;

use crate::Reached;

/// Why an event loop could not be registered with libvirt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// This process has its loop already, installed through this project. The
    /// program is at fault: an application installs one loop, once; libraries
    /// install none.
    #[error("an event loop is already installed in this process, and libvirt takes only one")]
    AlreadyInstalled,

    /// libvirt has another loop already, which did not come from here: its
    /// own default loop, libvirt-glib, or another binding in this process.
    /// Whoever registered it must give way, or be the one that is used.
    #[error(
        "libvirt already has another event loop: something in this process called \
         virEventRegisterImpl or virEventRegisterDefaultImpl first; to find out who, \
         run the program in a debugger with a breakpoint on virEventRegisterImpl"
    )]
    ForeignLoop,

    /// Another loop was registered with libvirt on another thread, after this
    /// one had looked and found none. Install before starting threads that
    /// might register a loop.
    ///
    /// libvirt keeps the six functions separately and takes no lock, so the
    /// winner may have got only some of them; no loop works in this process
    /// then. What did reach this crate refuses everything with −1 until an
    /// implementation is installed. Trying again looks again, and succeeds
    /// only if all six functions reach this crate.
    #[error(
        "another event loop was registered with libvirt while this one was being installed \
         ({reached}); install before starting threads that may register one"
    )]
    LostRace {
        /// Which of the six functions libvirt took from here.
        reached: Reached,
    },

    /// libvirt itself failed, and says why.
    #[error(transparent)]
    Libvirt(#[from] LibvirtError),

    /// The implementation, or a descriptor that the check needs, could not be
    /// made; nothing was registered.
    #[error("could not create the event loop: {0}")]
    Create(#[source] io::Error),

    /// Another error of the slot.
    #[error(transparent)]
    Slot(virt_event::Error),
}

impl From<virt_event::Error> for InstallError {
    fn from(error: virt_event::Error) -> Self {
        match error {
            virt_event::Error::AlreadyInstalled => Self::AlreadyInstalled,
            error => Self::Slot(error),
        }
    }
}

/// libvirt's own words about what went wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("libvirt: {message}")]
pub struct LibvirtError {
    code: i32,
    message: String,
}

impl LibvirtError {
    pub(crate) fn new(code: i32, message: String) -> Self {
        Self { code, message }
    }

    /// The number, one of libvirt's `virErrorNumber`; 0 if libvirt failed
    /// without setting an error.
    #[doc(alias = "virGetLastErrorCode")]
    pub fn code(&self) -> i32 {
        self.code
    }

    /// The text, in the language of the locale.
    #[doc(alias = "virGetLastErrorMessage")]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.names().collect();
        match names.len() {
            0 => f.write_str("none of its six functions reached this one"),
            6 => f.write_str("all six functions reached this one"),
            n => write!(
                f,
                "{n} of the six functions reached this one: {}",
                names.join(", ")
            ),
        }
    }
}
