//! Deliberately broken subjects: the proof that a case can fail.

mod tamper;
mod wrapper;

pub(crate) mod callbacks;
pub(crate) mod callbacks_nested;
pub(crate) mod handles;
pub(crate) mod ids;
pub(crate) mod lifecycle;
pub(crate) mod threads;
pub(crate) mod timers;

pub use self::wrapper::{
    Fault, broken, broken_further, intercept_handle, intercept_timeout, rejected_handle,
};
