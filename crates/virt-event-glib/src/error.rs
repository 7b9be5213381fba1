use virt_event_reactor::AttachError;

/// Why a GLib main context did not become libvirt's loop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// libvirt was not to be had: see the variants there.
    #[error(transparent)]
    Libvirt(#[from] virt_event_libvirt::InstallError),

    /// Our reactor is installed already, and somebody drives it. The program
    /// is at fault: it installs a loop once, or detaches the driver before it
    /// installs the next.
    #[error(transparent)]
    Attach(#[from] AttachError),
}
