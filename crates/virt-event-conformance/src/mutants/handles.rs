//! Broken subjects for the cases in `cases/handles`.

mod descriptor;
mod late;
mod same_fd;
mod tampering;

pub(crate) use self::descriptor::{
    AcceptsBad, DropsRefused, FailsOnClosed, HoldsDuplicate, RefusesFiles, RefusesVaguely,
    WatchesAnother,
};
pub(crate) use self::late::{Deferred, LeavesPhantom, LogsAlways, OffByOne};
pub(crate) use self::same_fd::{SameFd, Sharing};
pub(crate) use self::tampering::Tampering;
