/// Why no driver was attached. Nothing drives the reactor through the call that
/// failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// The reactor has a driver, or belongs to the parent of this process.
    #[error(transparent)]
    Reactor(#[from] virt_event_reactor::AttachError),

    /// calloop did not take the source, or this process has no descriptor left
    /// for it. The kernel's limits are at fault; or the program, if it made
    /// the reactor watch the very loop that should drive it.
    #[error("calloop cannot watch the reactor: {0}")]
    Insert(#[source] calloop::Error),
}

/// Why the loop was not installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// libvirt was not to be had: it has another loop already, or there are no
    /// descriptors left. See the variants there.
    #[error(transparent)]
    Libvirt(#[from] virt_event_libvirt::InstallError),

    /// Our reactor is installed, but was not attached to this loop. If it has
    /// a driver, the program is at fault: it installs a loop once.
    #[error(transparent)]
    Attach(#[from] AttachError),
}
