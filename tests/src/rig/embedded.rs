//! The driver for QEMU inside the test's process.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::directory::Directory;
use super::libvirtd::QEMU_CONF;
use super::supervisor::Supervisor;
use super::unprivileged::Way;
use super::{Guests, RigError};

/// Tells a process that it plays a scene, and where.
const SCENE: &str = "VIRT_EVENT_RIG_SCENE";

/// The file that tells a scene that was played from a name without a test.
const PLAYED: &str = "played";

/// `qemu:///embed`: no daemon; libvirt inside the process starts the guests.
#[derive(Debug)]
pub struct Embedded {
    root: PathBuf,
    guests: Guests,
}

impl Embedded {
    /// Plays `scene` in a process of its own: starts this program once more
    /// with the name of the calling test, which then comes here again.
    ///
    /// ```no_run
    /// # use virt_event_tests::rig::{Embedded, RigError};
    /// // A #[test], of course.
    /// fn it_works() -> Result<(), RigError> {
    ///     Embedded::play("it_works", |embedded| {
    ///         // Install a loop here: `open` fails without one.
    ///         let _ = embedded.uri();
    ///     })
    /// }
    /// ```
    ///
    /// A process can have one embedded driver in its life, it has to be without
    /// privileges, and it should descend from the supervisor: then its guests
    /// end with it, and destroying one is fast.
    ///
    /// # Errors
    ///
    /// - The scene panicked, or took too long. The error shows what it printed.
    /// - `test` is not the name of a test.
    pub fn play(test: &str, scene: impl FnOnce(&Self)) -> Result<(), RigError> {
        match env::var_os(SCENE) {
            Some(directory) => {
                let directory = Directory::at(PathBuf::from(directory));
                scene(&Self::new(&directory));
                directory.write(PLAYED, "")?;
                Ok(())
            }
            None => Self::stage(test),
        }
    }

    fn stage(test: &str) -> Result<(), RigError> {
        let directory = Directory::new();
        let program = env::current_exe().map_err(RigError::system("find this program"))?;
        let mut command: Vec<OsString> = vec!["env".into()];
        let mut scene = OsString::from(format!("{SCENE}="));
        scene.push(directory.path());
        command.push(scene);
        let arguments = [test, "--exact", "--nocapture", "--test-threads=1"];
        let arguments = arguments.map(OsString::from);
        command.extend(Way::here().command(&program, arguments)?);

        let supervisor = Supervisor::new(&directory, &command)?;
        directory.make("run")?;
        directory.make("home")?;
        directory.make("root/etc")?;
        directory.write("root/etc/qemu.conf", QEMU_CONF)?;
        // The driver has no other way to be told where its cache is.
        let cache = directory.cache().join("embed");
        fs::create_dir_all(&cache)
            .and_then(|()| symlink(&cache, directory.join("root/cache")))
            .map_err(RigError::system("make a cache"))?;
        let way = Way::here();
        way.give(&cache)?;
        way.give_all(directory.path())?;

        supervisor.start()?;
        let failed = |what: String| RigError::Failed {
            what,
            printed: supervisor.printed(),
        };
        let ending = supervisor
            .ending()
            .map_err(|late| failed(format!("the scene {test}: {late}")))?;
        if ending != "status 0" {
            return Err(failed(format!("the scene {test} ended with {ending}")));
        }
        if !directory.join(PLAYED).exists() {
            return Err(failed(format!("there is no test {test}")));
        }
        print!("{}", supervisor.printed());
        Ok(())
    }

    fn new(directory: &Directory) -> Self {
        let root = directory.join("root");
        Self {
            guests: Guests::new(directory, root.join("run/qemu")),
            root,
        }
    }

    /// The driver. Its first connection needs a loop that is registered with
    /// libvirt, and a console needs one that runs.
    pub fn uri(&self) -> String {
        format!("qemu:///embed?root={}", self.root.display())
    }

    /// What is needed for guests.
    pub fn guests(&self) -> &Guests {
        &self.guests
    }
}
