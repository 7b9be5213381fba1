use std::io;

/// Why no driver was attached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// The reactor has a driver, or belongs to the parent of this process.
    #[error(transparent)]
    Reactor(#[from] virt_event_reactor::AttachError),

    /// There is no tokio runtime here. The program is at fault: call it inside
    /// `#[tokio::main]` or `Runtime::block_on`, or hand over a `Handle`.
    #[error(
        "there is no tokio runtime here; call this inside one, \
         or hand over the `Handle` of one"
    )]
    NoRuntime,

    /// The runtime was built without IO. The program is at fault.
    #[error("this tokio runtime does no IO; build it with `enable_io` or `enable_all`")]
    NoIo,

    /// tokio did not take the descriptor.
    #[error("tokio cannot watch the reactor: {0}")]
    Register(#[source] io::Error),
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
