//! The five loops, as programs that have more to do than libvirt's events.

mod builtin;
mod calloop;
mod glib;
mod mio;
mod tokio;

pub(super) use self::builtin::Builtin;
pub(super) use self::calloop::Calloop;
pub(super) use self::glib::Glib;
pub(super) use self::mio::Mio;
pub(super) use self::tokio::Tokio;
