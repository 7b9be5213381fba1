//! A study, not a product: what one loop sustains, and whether several reactors
//! on several threads would sustain more. docs/scaling.md is its result.
//!
//! [`Sharded`] is the prototype: one [`EventImpl`](virt_event::EventImpl) made
//! of several reactors. The program measures it, and what one loop sustains on
//! a real libvirtd: `cargo xtask scaling`.
//!
//! # What it is not
//!
//! Something to use. It does not hold the contract, as its tests show.

mod shard_thread;
mod sharded;

pub use crate::shard_thread::ShardThread;
pub use crate::sharded::Sharded;
