//! Subscriptions on libvirt's test driver, which lives in this process, on the
//! built-in loop. All tests share the loop, on a thread of its own; each has a
//! connection and a domain of its own.

mod callbacks;
mod errors;
mod kinds;
mod lifetime;
mod streams;
mod support;
