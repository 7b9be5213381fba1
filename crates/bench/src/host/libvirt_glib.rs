//! The peer that GTK programs in C have: libvirt-glib.

#![expect(unsafe_code, reason = "a C library that is found at run time")]

use anyhow::{Context, Result};
use libloading::Library;

use super::{Glib, Host, Stop};
use crate::event_fd::EventFd;
use crate::libvirt::Handler;

const LIBRARY: &str = "libvirt-glib-1.0.so.0";

/// `gvir_event_register` on the default main context. Loaded at run time, so
/// that no build needs it.
pub(crate) struct LibvirtGlib(Glib);

impl LibvirtGlib {
    /// Whether this machine has the library.
    ///
    /// # Errors
    ///
    /// - It has not; the message is the dynamic linker's.
    pub(crate) fn is_there() -> Result<()> {
        load().map(drop)
    }

    pub(crate) fn register() -> Result<Self> {
        let library = load()?;
        // SAFETY: its declaration in libvirt-glib-event.h is
        // `void gvir_event_register(void)`.
        let register = unsafe { library.get::<unsafe extern "C" fn()>(b"gvir_event_register\0") }
            .context("libvirt-glib has no gvir_event_register")?;
        // SAFETY: nobody else has registered a loop in this process.
        unsafe { register() };
        // Its callbacks are libvirt's loop for as long as the process lives.
        std::mem::forget(library);
        Ok(Self(Glib::new()))
    }
}

fn load() -> Result<Library> {
    // SAFETY: its initialisers are those of GLib and libvirt, which this
    // program has linked anyway.
    unsafe { Library::new(LIBRARY) }.with_context(|| format!("{LIBRARY} cannot be loaded"))
}

impl Host for LibvirtGlib {
    fn run(&mut self) -> Result<()> {
        self.0.run()
    }

    fn stop(&self) -> Stop {
        self.0.stop()
    }

    fn watch(&mut self, fd: &'static EventFd, handler: &'static dyn Handler) -> Result<()> {
        self.0.watch(fd, handler)
    }
}
