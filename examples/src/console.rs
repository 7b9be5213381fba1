//! The parts of the program `console`, which puts a guest's serial console on a
//! terminal.
//!
//! | thread | does | may wait for |
//! |---|---|---|
//! | main | the loop: moves bytes between stdin, stdout and the stream | nothing but events |
//! | libvirt calls | opens, looks up, attaches, detaches, closes ([`session`]) | libvirt |
//! | to the guest | `virStreamSend`, which can block ([`relay`]) | the daemon |
//! | signals | takes signals, also while the others wait ([`signals`]) | signals |
//!
//! The threads share the [`relay::Relay`], where the bytes are, and the
//! [`terminal::Terminal`], which any of them may give back; all else goes
//! through one channel to the session.

pub mod ending;
pub mod endpoint;
pub mod guest;
pub mod log;
pub mod notices;
pub mod options;
pub mod phase;
pub mod queue;
pub mod relay;
pub mod session;
pub mod signals;
pub mod terminal;
