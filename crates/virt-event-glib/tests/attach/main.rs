//! The adapter on contexts and reactors of each test's own, so that all of them
//! share a process and libvirt has no part in it.

mod contexts;
mod lifetime;
mod nesting;
mod panics;
mod priority;
mod serving;
mod support;
