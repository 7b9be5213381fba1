//! Tokens, interests and polls.

use std::io::ErrorKind;
use std::time::Duration;

use mio::{Interest, Token};
use virt_event_mio::{
    AttachError, Driver, InstallError, Reactor, Source, TurnError, attach, install, mio,
};

use crate::{Host, LIBVIRT, PATIENCE, ready_watch, zero_timer};

const OTHER: Token = Token(8);

/// `?` of anyhow and of a thread takes them.
const fn is_plain_error<E: std::error::Error + Send + Sync + 'static>() {}
const _: () = is_plain_error::<AttachError>();
const _: () = is_plain_error::<InstallError>();
const _: () = is_plain_error::<TurnError>();

const fn is_send_and_sync<T: Send + Sync>() {}
const _: () = is_send_and_sync::<Source>();
const _: () = is_send_and_sync::<Driver>();

#[expect(dead_code, reason = "it only has to compile")]
fn question_marks(registry: &mio::Registry) -> anyhow::Result<()> {
    attach(&Reactor::new()?, registry, LIBVIRT)?.0.dispatch()?;
    install(registry, LIBVIRT)?.0.dispatch()?;
    Ok(())
}

#[test]
fn interests_must_have_readable() {
    let reactor = Reactor::new().unwrap();
    let mut host = Host::new();
    let mut source = Source::new(&reactor).unwrap();
    let registry = host.poll.registry();
    let error = registry
        .register(&mut source, LIBVIRT, Interest::WRITABLE)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);

    let both = Interest::READABLE | Interest::WRITABLE;
    registry.register(&mut source, LIBVIRT, both).unwrap();
    let error = registry
        .reregister(&mut source, LIBVIRT, Interest::PRIORITY)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);

    let (_fd, _, count) = ready_watch(&reactor);
    host.turn_until(&source, || count.get() >= 10);
}

#[test]
fn another_token() {
    let reactor = Reactor::new().unwrap();
    let mut host = Host::new();
    let (mut source, _driver) = attach(&reactor, host.poll.registry(), OTHER).unwrap();
    let (_fd, _, count) = ready_watch(&reactor);
    assert_eq!(host.fired(PATIENCE), [OTHER]);

    // Also without a dispatch: the event that was not used is not lost.
    let registry = host.poll.registry();
    registry
        .reregister(&mut source, LIBVIRT, Interest::READABLE)
        .unwrap();
    host.turn_until(&source, || count.get() >= 10);
}

#[test]
fn the_same_poll_twice_is_refused() {
    let reactor = Reactor::new().unwrap();
    let mut host = Host::new();
    let (mut source, _driver) = attach(&reactor, host.poll.registry(), LIBVIRT).unwrap();
    let error = host
        .poll
        .registry()
        .register(&mut source, OTHER, Interest::READABLE)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    let count = zero_timer(&reactor);
    host.turn_until(&source, || count.get() >= 10);
}

#[test]
fn another_poll_takes_it_over() {
    let reactor = Reactor::new().unwrap();
    let (_fd, _, count) = ready_watch(&reactor);
    let (mut first, mut second) = (Host::new(), Host::new());
    let (mut source, _driver) = attach(&reactor, first.poll.registry(), OTHER).unwrap();
    assert_eq!(first.fired(PATIENCE), [OTHER]);

    second
        .poll
        .registry()
        .register(&mut source, LIBVIRT, Interest::READABLE)
        .unwrap();
    second.turn_until(&source, || count.get() >= 10);
    assert_eq!(first.fired(Duration::ZERO), []);

    // It is not the first one's any more.
    let registry = first.poll.registry();
    let error = registry.deregister(&mut source).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    second.poll.registry().deregister(&mut source).unwrap();
    assert_eq!(second.fired(Duration::ZERO), []);
}

#[test]
fn a_registration_fires_if_there_is_something_to_do() {
    let reactor = Reactor::new().unwrap();
    let mut source = Source::new(&reactor).unwrap();
    let (_fd, _, count) = ready_watch(&reactor);
    for _ in 0..3 {
        // Served also while it is not registered, and bounded: there is more.
        let before = count.get();
        source.dispatch().unwrap();
        assert!(count.get() > before);

        let mut host = Host::new();
        let registry = host.poll.registry();
        registry
            .register(&mut source, LIBVIRT, Interest::READABLE)
            .unwrap();
        host.turn_until(&source, || count.get() >= before + 10);
        host.poll.registry().deregister(&mut source).unwrap();
        assert_eq!(host.fired(Duration::ZERO), []);
    }
}

#[test]
fn the_poll_may_be_dropped_first() {
    let reactor = Reactor::new().unwrap();
    let (_fd, _, count) = ready_watch(&reactor);
    let first = Host::new();
    let (mut source, driver) = attach(&reactor, first.poll.registry(), OTHER).unwrap();
    drop(first);
    source.dispatch().unwrap();
    assert!(count.get() > 0 && driver.is_attached());

    let mut second = Host::new();
    second
        .poll
        .registry()
        .register(&mut source, LIBVIRT, Interest::READABLE)
        .unwrap();
    let before = count.get();
    second.turn_until(&source, || count.get() >= before + 10);

    drop(second);
    drop(source);
    assert!(!driver.is_attached());
}

#[test]
fn a_refused_registration_leaves_no_driver() {
    use virt_event::{EventImpl, HandleCallback, HandleEvents};

    let reactor = Reactor::new().unwrap();
    let mut host = Host::new();
    // The reactor watches the poll that is to watch the reactor: no kernel
    // takes that.
    let watch = reactor
        .add_handle(
            std::os::fd::AsRawFd::as_raw_fd(&host.poll),
            HandleEvents::READABLE,
            HandleCallback::new(|_, _, _| {}),
        )
        .unwrap();
    assert!(matches!(
        attach(&reactor, host.poll.registry(), LIBVIRT),
        Err(AttachError::Register(_))
    ));
    reactor.remove_handle(watch).unwrap();
    let (source, _driver) = attach(&reactor, host.poll.registry(), LIBVIRT).unwrap();
    let count = zero_timer(&reactor);
    host.turn_until(&source, || count.get() >= 10);
}
