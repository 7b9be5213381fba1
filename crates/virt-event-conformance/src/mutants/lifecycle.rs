//! Broken subjects for the cases in `cases/lifecycle.rs` and
//! `cases/registration.rs`.

mod detach;
mod drain;
mod report;
mod wake;

pub(crate) use self::detach::*;
pub(crate) use self::drain::*;
pub(crate) use self::report::*;
pub(crate) use self::wake::*;
