use virt_event_reactor::{AttachError, TurnError};

/// Why the built-in loop was not installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// libvirt was not to be had: see the variants there.
    #[error(transparent)]
    Libvirt(#[from] virt_event_libvirt::InstallError),

    /// Our reactor is installed already, and somebody drives it. The program
    /// is at fault: it installs a loop once.
    #[error(transparent)]
    Attach(#[from] AttachError),
}

/// Why [`run_default_impl`](crate::run_default_impl) did nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// There is no loop to run: the program did not register one.
    #[error("no event loop is registered: call `register_default_impl` first")]
    NotRegistered,

    /// The turn was not taken.
    #[error(transparent)]
    Turn(#[from] TurnError),
}
