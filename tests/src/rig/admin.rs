//! The daemon's second door, for its administrator.

use std::path::Path;

use super::RigError;
use super::directory::Directory;
use super::program::VIRT_ADMIN;

/// Runs `virt-admin` on the daemon behind `socket` and returns what it prints.
pub(super) fn ask(
    directory: &Directory,
    socket: &Path,
    arguments: &[&str],
) -> Result<String, RigError> {
    let uri = format!("libvirtd+unix:///session?socket={}", socket.display());
    VIRT_ADMIN.ask(directory, &uri, arguments)
}

/// The numbers in the first column of `client-list`.
pub(super) fn clients(list: &str) -> Vec<u64> {
    list.lines()
        .filter_map(|line| line.split_whitespace().next()?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_read_from_the_table() {
        let list = "
 Id   Transport   Connected since
--------------------------------------------------
 2    unix        2026-11-28 04:15:48+0000
 13   unix        2026-11-28 04:15:49+0000
";
        assert_eq!(clients(list), [2, 13]);
        assert!(clients("").is_empty());
    }
}
