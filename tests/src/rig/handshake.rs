//! Whether a daemon serves clients, found out without libvirt.
//!
//! A client of libvirt's would leave traces in the test's process: watches that
//! wait for a loop to free them, or an error on stderr.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long one attempt may take. A daemon that listens but is not done with
/// its start answers as soon as it is.
const ATTEMPT: Duration = Duration::from_secs(1);

/// The first call of every client, "how do I authenticate?": length, program,
/// version, procedure (`REMOTE_PROC_AUTH_LIST`), type (call), serial, status.
const AUTH_LIST: [u32; 7] = [28, 0x2000_8086, 1, 66, 0, 0, 0];

/// Whether a daemon on this socket answers a call.
pub(super) fn answers(socket: &Path) -> bool {
    let Ok(mut stream) = UnixStream::connect(socket) else {
        return false;
    };
    let call: Vec<u8> = AUTH_LIST
        .iter()
        .flat_map(|word| word.to_be_bytes())
        .collect();
    let mut length = [0; 4];
    stream.set_read_timeout(Some(ATTEMPT)).is_ok()
        && stream.set_write_timeout(Some(ATTEMPT)).is_ok()
        && stream.write_all(&call).is_ok()
        && stream.read_exact(&mut length).is_ok()
        && is_forgotten(stream)
}

/// Waits until the daemon has closed its end too. It must not count this one
/// among its clients any more when the test asks.
fn is_forgotten(mut stream: UnixStream) -> bool {
    stream.shutdown(Shutdown::Write).is_ok() && io::copy(&mut stream, &mut io::sink()).is_ok()
}
