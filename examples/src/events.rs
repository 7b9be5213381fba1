//! The parts of the program `events`, which follows what happens on a libvirt
//! host.

pub mod line;
pub mod options;
pub mod session;
