/// Why the loop was not installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// libvirt was not to be had: see the variants there.
    #[error(transparent)]
    Libvirt(#[from] virt_event_libvirt::InstallError),

    /// Our reactor is installed, but was not attached to this loop.
    #[error(transparent)]
    Attach(#[from] virt_event_reactor::AttachError),
}
