//! The view of the system that the daemon and the driver get.

use std::ffi::OsString;
use std::path::Path;

use rustix::process::geteuid;

use super::RigError;
use super::program::UNSHARE;

/// The command line that runs `program` without privileges.
///
/// libvirt run by root works on the system's own directories, whatever its
/// configuration says. So root gives it a user namespace in which it is user
/// 1000. An ordinary user is one already.
pub(super) fn command(
    program: &Path,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Vec<OsString>, RigError> {
    let mut command = Vec::new();
    if geteuid().is_root() {
        command.push(UNSHARE.path()?.into());
        // It runs the program in its own place, so the pid stays.
        command.extend(["--user", "--map-user=1000", "--map-group=1000"].map(OsString::from));
    }
    command.push(program.into());
    command.extend(arguments);
    Ok(command)
}
