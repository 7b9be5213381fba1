//! GLib's default main context.

#![expect(unsafe_code, reason = "glib has no safe way to let a source recurse")]

use std::num::NonZeroU32;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result};
use glib::translate::{IntoGlib, ToGlibPtr};
use glib::{ControlFlow, IOCondition, MainContext, MainLoop, Priority};
use virt_event_glib::Driver;

use super::{Host, Stop};
use crate::event_fd::EventFd;
use crate::libvirt::Handler;

/// A `MainLoop` in `run`, with GLib's own descriptor source, of the default
/// priority, for sources.
pub(crate) struct Glib {
    context: MainContext,
    main_loop: MainLoop,
    driver: Option<Driver>,
    /// Whether a source of its own may be dispatched inside itself.
    recursive: bool,
}

impl Glib {
    pub(crate) fn new() -> Self {
        let context = MainContext::default();
        let main_loop = MainLoop::new(Some(&context), false);
        Self {
            context,
            main_loop,
            driver: None,
            recursive: false,
        }
    }

    /// With sources that may be dispatched inside themselves. GLib's may not,
    /// unless one says so: it takes them out of its set around each call, which
    /// is three system calls.
    pub(crate) fn recursive(self) -> Self {
        Self {
            recursive: true,
            ..self
        }
    }

    /// Makes it libvirt's loop.
    pub(crate) fn installed(mut self) -> Result<Self> {
        let driver = virt_event_glib::install(&self.context, Priority::DEFAULT)
            .context("the main context cannot be installed")?;
        self.driver = Some(driver);
        Ok(self)
    }
}

impl Host for Glib {
    fn run(&mut self) -> Result<()> {
        self.main_loop.run();
        Ok(())
    }

    fn stop(&self) -> Stop {
        let main_loop = self.main_loop.clone();
        Box::new(move || main_loop.quit())
    }

    fn watch(&mut self, fd: &'static EventFd, handler: &'static dyn Handler) -> Result<()> {
        let ready = move |_, _| {
            handler.ready();
            ControlFlow::Continue
        };
        let (fd, condition) = (fd.as_raw_fd(), IOCondition::IN);
        let source = glib_unix::fd_source_new(fd, condition, None, Priority::DEFAULT, ready);
        // SAFETY: the source is alive. Its closure would be aliased if it were
        // called inside itself; no handler here iterates the context.
        unsafe {
            glib::ffi::g_source_set_can_recurse(
                source.to_glib_none().0,
                self.recursive.into_glib(),
            );
        }
        source.attach(Some(&self.context));
        Ok(())
    }

    fn set_budget(&mut self, iterations: NonZeroU32) -> Result<()> {
        let driver = self.driver.as_ref().context("libvirt is not on it")?;
        driver.set_budget(iterations);
        Ok(())
    }
}
