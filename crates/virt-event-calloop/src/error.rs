/// Why no driver was attached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// The reactor has a driver, or belongs to the parent of this process.
    #[error(transparent)]
    Reactor(#[from] virt_event_reactor::AttachError),

    /// calloop did not take the source.
    #[error("calloop cannot watch the reactor: {0}")]
    Insert(#[source] calloop::Error),
}

/// Why the loop was not installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// libvirt was not to be had: see the variants there.
    #[error(transparent)]
    Libvirt(#[from] virt_event_libvirt::InstallError),

    /// Our reactor is installed, but was not attached to this loop.
    #[error(transparent)]
    Attach(#[from] AttachError),
}
