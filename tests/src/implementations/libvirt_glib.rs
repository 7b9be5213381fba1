#![allow(unsafe_code, reason = "loads a C library and calls its function")]

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use glib::{ControlFlow, MainContext, Priority};
use libloading::{Library, Symbol};
use virt_event::EventImpl;
use virt_event_conformance::{Capabilities, Config, Subject};
use virt_event_libvirt::LibvirtImpl;

const LIBRARY: &str = "libvirt-glib-1.0.so.0";

/// libvirt-glib, which puts what libvirt adds into GLib's default main context.
/// One for each process.
///
/// It is loaded at run time: a program that linked it could not even start
/// where it is missing, and nothing else of ours needs it.
struct LibvirtGlib {
    events: Arc<LibvirtImpl>,
    context: MainContext,
}

pub(super) fn make(_: &Config) -> Box<dyn Subject> {
    let library = load(LIBRARY).unwrap_or_else(|why| panic!("{why}"));
    register(&library);
    // libvirt keeps the addresses of its functions.
    mem::forget(library);
    let events = LibvirtImpl::registered().expect("libvirt-glib has registered itself");
    Box::new(LibvirtGlib {
        events: Arc::new(events),
        context: MainContext::default(),
    })
}

impl Subject for LibvirtGlib {
    fn event_impl(&self) -> Arc<dyn EventImpl> {
        Arc::clone(&self.events) as Arc<dyn EventImpl>
    }

    /// None of what the project adds; nesting and `fork` are undefined.
    fn capabilities(&self) -> Capabilities {
        Capabilities::COUNTED
    }

    /// One iteration of the context. The alarm that ends it has the lowest
    /// priority: GLib serves one priority an iteration, and the alarm must not
    /// go before anything of the subject's.
    fn turn(&self, timeout: Duration) {
        if timeout.is_zero() {
            self.context.iteration(false);
            return;
        }
        // GLib counts whole milliseconds, and would make 0 of what is less.
        let timeout = timeout + Duration::from_nanos(999_999);
        let alarm = glib::timeout_source_new(timeout, Some("turn"), Priority::LOW, || {
            ControlFlow::Continue
        });
        alarm.attach(Some(&self.context));
        self.context.iteration(true);
        alarm.destroy();
    }
}

/// Loads the library.
///
/// # Errors
///
/// - It is not there, in words that name the packages which have it.
fn load(name: &str) -> Result<Library, String> {
    // SAFETY: the initialisers of libvirt-glib and of the libraries that it
    // needs set up types, and expect nothing of the program.
    let library = unsafe { Library::new(name) };
    library.map_err(|error| {
        format!(
            "libvirt-glib is missing ({error}): install libvirt-glib-1.0-0 (Debian) or \
             libvirt-glib (Fedora), or run `cargo xtask setup`"
        )
    })
}

/// Registers its six functions with libvirt.
fn register(library: &Library) {
    // SAFETY: its header declares it as `void gvir_event_register(void)`.
    let symbol: Result<Symbol<'_, unsafe extern "C" fn()>, _> =
        unsafe { library.get(b"gvir_event_register\0") };
    let register = symbol.expect("libvirt-glib has gvir_event_register");
    // SAFETY: it may be called at any time, and the library stays loaded.
    unsafe { register() };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_is_named_with_its_packages() {
        let Err(why) = load("libvirt-glib-of-no-version.so.0") else {
            panic!("there is such a library");
        };
        for word in [
            "libvirt-glib-of-no-version.so.0",
            "libvirt-glib-1.0-0",
            "cargo xtask setup",
        ] {
            assert!(why.contains(word), "{why}");
        }
    }
}
