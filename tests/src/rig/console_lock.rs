//! What libvirt leaves of a console.

use std::fs;
use std::io::ErrorKind;

use virt::domain::Domain;

use super::RigError;

/// Removes the lock on the console of a guest that has just been started, and
/// whose console nobody has opened yet.
///
/// libvirt locks a guest's terminal with a file in /var/lock while its console is
/// open, and sometimes leaves it there for as long as the daemon lives. The
/// system gives the number of the terminal to another guest meanwhile, whose
/// console could then not be opened, although that guest is another daemon's.
///
/// # Errors
///
/// - The guest does not run, or the file cannot be removed.
pub fn unlock_console(domain: &Domain) -> Result<(), RigError> {
    let xml = domain.xml_desc(0).map_err(|source| RigError::Libvirt {
        what: "describe a guest".to_owned(),
        source,
    })?;
    let Some(lock) = lock(&xml) else {
        return Err(RigError::NotRunning("a guest with a console".to_owned()));
    };
    match fs::remove_file(&lock) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(RigError::system(format!("remove {lock}"))(error))
        }
        _ => Ok(()),
    }
}

/// The file that locks the console of a description.
fn lock(xml: &str) -> Option<String> {
    let (_, rest) = xml.split_once("tty='/dev/")?;
    let (terminal, _) = rest.split_once('\'')?;
    Some(format!("/var/lock/LCK.._{}", terminal.replace('/', "_")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_is_that_of_the_terminal() {
        let xml = "<console type='pty' tty='/dev/pts/12'>\n<source path='/dev/pts/12'/>";
        assert_eq!(lock(xml).as_deref(), Some("/var/lock/LCK.._pts_12"));
        assert_eq!(lock("<console type='pty'>"), None);
    }
}
