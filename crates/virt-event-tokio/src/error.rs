use std::io;

/// Why no driver was attached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// The reactor has a driver, or belongs to the parent of this process. The
    /// program is at fault: see the variants there.
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
    ///
    /// tokio has no way to ask for this: it panics, which is caught. So the
    /// panic hook has reported it before, and where panics abort the process,
    /// this one does, with tokio's message.
    #[error("this tokio runtime does no IO; build it with `enable_io` or `enable_all`")]
    NoIo,

    /// The runtime did not take the descriptor or the task, because it has
    /// been shut down; or the system has no room for another watch.
    #[error("the tokio runtime cannot watch the libvirt event loop: {0}")]
    Register(#[source] io::Error),
}

/// Why the loop was not installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// libvirt was not to be had: see the variants there.
    #[error(transparent)]
    Libvirt(#[from] virt_event_libvirt::InstallError),

    /// Our reactor was not attached to this runtime: see the variants there.
    #[error(transparent)]
    Attach(#[from] AttachError),
}
