use std::sync::Arc;

use calloop::LoopHandle;
use virt_event_reactor::{Driver, Reactor};

use crate::{AttachError, InstallError, Source};

/// Drives a reactor from a calloop event loop, without telling libvirt.
///
/// `Data` is whatever the loop has; nothing is asked of it. Dropping the
/// returned [`Driver`] changes nothing: the loop goes on. When the event loop
/// is dropped, or after [`Driver::detach`], another driver may be attached.
///
/// # Errors
///
/// - [`AttachError::Reactor`] if the reactor has a driver, or belongs to the
///   parent of this process.
/// - [`AttachError::Insert`] if calloop or the kernel refuses.
pub fn attach<Data>(
    reactor: &Arc<Reactor>,
    handle: &LoopHandle<'_, Data>,
) -> Result<Driver, AttachError> {
    let source = Source::new(reactor)?;
    let driver = source.driver().clone();
    handle
        .insert_source(source, |(), _, _| {})
        .map_err(|refused| AttachError::Insert(refused.error))?;
    Ok(driver)
}

/// Makes a calloop event loop the loop of libvirt, once per process and before
/// the first connection is opened. Applications call this; libraries never do.
///
/// If a reactor of ours is installed already and nobody drives it any more, for
/// instance because its event loop was dropped, this drives it.
///
/// ```
/// use std::time::Duration;
///
/// use virt::connect::Connect;
/// use virt_event_calloop::calloop::EventLoop;
///
/// struct State {/* … */}
///
/// # fn main() -> anyhow::Result<()> {
/// let mut event_loop = EventLoop::<State>::try_new()?;
/// let driver = virt_event_calloop::install(&event_loop.handle())?;
/// let connection = Connect::open(Some("test:///default"))?;
/// # let signal = event_loop.get_signal();
/// # event_loop.handle().insert_idle(move |_| signal.stop());
/// # event_loop.get_signal().wakeup();
/// // … insert your own sources …
/// event_loop.run(None, &mut State {}, |_| {})?; // until LoopSignal::stop
///
/// drop(connection); // and every domain
/// driver.drain(Duration::from_secs(5))?; // nothing is left behind
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// - [`InstallError::Libvirt`] if libvirt has another loop already, or the
///   system has no descriptors to give.
/// - [`InstallError::Attach`] as [`attach`]; among others if our reactor is
///   installed and has a driver.
#[doc(alias = "virEventRegisterImpl")]
pub fn install<Data>(handle: &LoopHandle<'_, Data>) -> Result<Driver, InstallError> {
    let reactor = virt_event_libvirt::installed_or_install(Reactor::new)?;
    Ok(attach(&reactor, handle)?)
}
