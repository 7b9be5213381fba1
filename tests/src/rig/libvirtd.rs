//! A libvirtd of the test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::process::Signal;

use super::directory::Directory;
use super::program::{LIBVIRTD, VIRSH};
use super::supervisor::Supervisor;
use super::unprivileged::Way;
use super::{Guests, RigError, Running, admin, handshake, wait_until};

/// How the driver for QEMU has to be set up, in a daemon and embedded: no
/// security labels and no daemon for logs, since there are none.
pub(super) const QEMU_CONF: &str = "security_driver = \"none\"\nstdio_handler = \"file\"\n";

/// The lines of the log that an error shows.
const LOG_LINES: usize = 30;

/// What can be chosen of a [`Daemon`].
#[derive(Debug, Clone, Default)]
#[must_use = "it starts nothing before `start`"]
pub struct DaemonBuilder {
    keepalive: Option<(u32, u32)>,
}

impl DaemonBuilder {
    /// Lets the daemon drop a client from which it has heard nothing for
    /// `interval` × (`count` + 1) seconds. Otherwise it waits for ever.
    ///
    /// libvirt answers on the client's loop, and a client without a loop is
    /// not asked.
    pub fn keepalive(mut self, interval: u32, count: u32) -> Self {
        self.keepalive = Some((interval, count));
        self
    }

    /// Starts the daemon, and waits until it serves clients.
    ///
    /// # Errors
    ///
    /// - libvirtd is not installed, or does not start. The error shows its log.
    pub fn start(self) -> Result<Daemon, RigError> {
        let directory = Directory::new();
        let arguments = [
            "-f".into(),
            directory.join(CONFIGURATION).into(),
            "-p".into(),
            directory.join(PID_FILE).into(),
        ];
        let way = Way::here();
        let command = way.command(&LIBVIRTD.path()?, arguments)?;
        let supervisor = Supervisor::new(&directory, &command)?;
        directory.make("run")?;
        directory.make("home/.config/libvirt")?;
        directory.write("home/.config/libvirt/qemu.conf", QEMU_CONF)?;
        directory.write(CONFIGURATION, &self.configuration(&directory))?;
        way.give_all(directory.path())?;
        let daemon = Daemon {
            guests: Guests::new(&directory, directory.join("run/libvirt/qemu/run")),
            directory,
            supervisor,
        };
        daemon.restart()?;
        Ok(daemon)
    }

    fn configuration(&self, directory: &Directory) -> String {
        let (interval, count) = match self.keepalive {
            Some((interval, count)) => (interval.to_string(), count),
            None => ("-1".to_owned(), 5),
        };
        // Without limits of its own, the 21st client that connects at once
        // would wait; without a uuid, the host's is asked for with D-Bus.
        // There is no `unix_sock_dir`, which would take the administrator's
        // socket away.
        format!(
            "auth_unix_ro = \"none\"
auth_unix_rw = \"none\"
log_outputs = \"3:file:{log}\"
host_uuid = \"8f07fe28-753f-2729-d76d-bdbd892f949a\"
keepalive_interval = {interval}
keepalive_count = {count}
max_clients = 5000
max_queued_clients = 5000
",
            log = directory.join(LOG).display(),
        )
    }
}

const CONFIGURATION: &str = "libvirtd.conf";
const PID_FILE: &str = "run/libvirtd.pid";
const LOG: &str = "libvirtd.log";

/// A libvirtd that nobody else talks to, and everything that it runs. All of it
/// ends when this is dropped; after a panic its log is shown.
#[derive(Debug)]
#[must_use = "the daemon ends when this is dropped"]
pub struct Daemon {
    guests: Guests,
    directory: Directory,
    /// Its drop ends the daemon and the guests.
    supervisor: Supervisor,
}

impl Daemon {
    /// Starts a daemon that asks its clients for no sign of life.
    ///
    /// # Errors
    ///
    /// - As [`DaemonBuilder::start`].
    pub fn start() -> Result<Self, RigError> {
        Self::builder().start()
    }

    /// To choose more.
    pub fn builder() -> DaemonBuilder {
        DaemonBuilder::default()
    }

    /// The mock driver with its domain `test`. All clients that have it open
    /// see the same state; after the last one it begins anew.
    pub fn test_uri(&self) -> String {
        self.uri("test", "/default")
    }

    /// The mock driver with the state that `xml` describes, a `<node>`. Each
    /// connection has its own. `name` is that of a file to write.
    ///
    /// # Errors
    ///
    /// - The file cannot be written.
    pub fn test_uri_of(&self, name: &str, xml: &str) -> Result<String, RigError> {
        let file = self.directory.write(name, xml)?;
        Ok(self.uri("test", &file.to_string_lossy()))
    }

    /// The driver for QEMU, where guests can run.
    pub fn qemu_uri(&self) -> String {
        self.uri("qemu", "/session")
    }

    fn uri(&self, driver: &str, path: &str) -> String {
        let socket = self.socket();
        format!("{driver}+unix://{path}?socket={}", socket.display())
    }

    /// Runs `virsh` on the driver for QEMU, for a call that the bindings lack,
    /// and returns what it prints.
    ///
    /// # Errors
    ///
    /// - virsh is not installed, or it fails, as when libvirt says no. The error
    ///   shows what it printed.
    pub fn virsh(&self, arguments: &[&str]) -> Result<String, RigError> {
        VIRSH.ask(&self.directory, &self.qemu_uri(), arguments)
    }

    /// What is needed for guests on [`qemu_uri`](Self::qemu_uri).
    pub fn guests(&self) -> &Guests {
        &self.guests
    }

    /// The directory that holds everything.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Lets guests and the daemon have a file in the directory that the test has
    /// made. Nothing to do, unless root's daemon is another user.
    ///
    /// # Errors
    ///
    /// - There is no such file.
    pub fn give(&self, path: &Path) -> Result<(), RigError> {
        Way::here().give(path)
    }

    /// The socket for clients.
    pub fn socket(&self) -> PathBuf {
        self.directory.join("run/libvirt/libvirt-sock")
    }

    /// The daemon's process.
    ///
    /// # Errors
    ///
    /// - It does not run, as after [`kill`](Self::kill).
    pub fn process(&self) -> Result<Running, RigError> {
        Running::of_file(&self.directory.join(PID_FILE), self.directory.path())
            .ok_or_else(|| RigError::NotRunning("libvirtd".to_owned()))
    }

    /// Ends it with SIGKILL. Guests go on. Its clients see the connection end.
    ///
    /// # Errors
    ///
    /// - It does not run.
    pub fn kill(&self) -> Result<(), RigError> {
        self.process()?.end(Signal::KILL)
    }

    /// Ends it with SIGTERM, in its own way. Guests go on.
    ///
    /// # Errors
    ///
    /// - It does not run, or does not end.
    pub fn terminate(&self) -> Result<(), RigError> {
        self.process()?.end(Signal::TERM)
    }

    /// Stops it with SIGSTOP: it keeps its sockets open and says nothing.
    ///
    /// # Errors
    ///
    /// - It does not run.
    pub fn freeze(&self) -> Result<(), RigError> {
        self.process()?.freeze()
    }

    /// Lets it go on after [`freeze`](Self::freeze).
    ///
    /// # Errors
    ///
    /// - It does not run.
    pub fn thaw(&self) -> Result<(), RigError> {
        self.process()?.thaw()
    }

    /// Starts another daemon in the place of one that has ended, and waits
    /// until it serves clients. It finds the guests of the former one.
    ///
    /// # Errors
    ///
    /// - It does not start, for example because the former one still runs. The
    ///   error shows its log.
    pub fn restart(&self) -> Result<(), RigError> {
        if self.process().is_ok() {
            return Err(self.failed("libvirtd runs already"));
        }
        let started = self.supervisor.start()?;
        let mut ended = false;
        wait_until("libvirtd serves clients", || {
            ended = started.has_ended();
            ended || handshake::answers(&self.socket())
        })
        .map_err(|late| self.failed(&late.to_string()))?;
        if ended {
            return Err(self.failed("libvirtd ended during its start"));
        }
        Ok(())
    }

    /// The numbers of the connected clients, as for
    /// [`disconnect`](Self::disconnect). Those who connected first come first.
    ///
    /// # Errors
    ///
    /// - virt-admin is not installed, or the daemon does not run.
    pub fn clients(&self) -> Result<Vec<u64>, RigError> {
        Ok(admin::clients(&self.ask(&["client-list", "libvirtd"])?))
    }

    /// Cuts one client's connection, and no other.
    ///
    /// # Errors
    ///
    /// - As for [`clients`](Self::clients), or there is no such client.
    pub fn disconnect(&self, client: u64) -> Result<(), RigError> {
        let client = client.to_string();
        self.ask(&["client-disconnect", "libvirtd", &client])?;
        Ok(())
    }

    fn ask(&self, arguments: &[&str]) -> Result<String, RigError> {
        let socket = self.directory.join("run/libvirt/libvirt-admin-sock");
        admin::ask(&self.directory, &socket, arguments)
    }

    /// What the daemon has to say. It complains about much that a private
    /// daemon does not have.
    pub fn log(&self) -> String {
        let log = fs::read(self.directory.join(LOG)).unwrap_or_default();
        self.supervisor.printed() + &String::from_utf8_lossy(&log)
    }

    fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    fn failed(&self, what: &str) -> RigError {
        RigError::Failed {
            what: what.to_owned(),
            printed: self.log_end(),
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("libvirtd printed:\n{}", self.log_end());
        }
    }
}
