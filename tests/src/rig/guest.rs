//! Guests: real ones, small, under QEMU's software emulation.

use std::path::PathBuf;

use rustix::process::Signal;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::sys;

use super::directory::Directory;
use super::program::QEMU;
use super::{RigError, Running, image, unlock_console};

/// What one QEMU driver, in a daemon or embedded, needs for guests.
#[derive(Debug, Clone)]
pub struct Guests {
    directory: Directory,
    pid_files: PathBuf,
}

impl Guests {
    /// `pid_files` is the directory in which the driver puts them.
    pub(super) fn new(directory: &Directory, pid_files: PathBuf) -> Self {
        Self {
            directory: directory.clone(),
            pid_files,
        }
    }

    /// The definition of a guest that prints [`BANNER`](Guest::BANNER) on its
    /// console when it starts, and then echoes what it gets.
    ///
    /// `name` goes into XML and into file names as it is.
    ///
    /// # Errors
    ///
    /// - QEMU or binutils are not installed.
    pub fn xml(&self, name: &str) -> Result<String, RigError> {
        self.xml_with(name, &Hardware::default())
    }

    /// The definition of such a guest with other hardware.
    ///
    /// # Errors
    ///
    /// - As for [`xml`](Self::xml).
    pub fn xml_with(&self, name: &str, hardware: &Hardware<'_>) -> Result<String, RigError> {
        let Hardware {
            memory_mib,
            domain,
            devices,
        } = hardware;
        let image = self.directory.join("echo.img");
        image::ensure(&image)?;
        let (image, emulator) = (image.display(), QEMU.path()?);
        let emulator = emulator.display();
        // Emulated even where there is /dev/kvm: nested, that is slower. The
        // image is a floppy because no other read-only disk boots. Of disks from
        // which the machine may not boot, the BIOS knows nothing.
        Ok(format!(
            "<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>{memory_mib}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <boot dev='fd'/>
    <boot dev='hd'/>
  </os>
  <features><acpi/></features>
  <on_poweroff>destroy</on_poweroff>
  {domain}
  <devices>
    <emulator>{emulator}</emulator>
    <disk type='file' device='floppy'>
      <driver name='qemu' type='raw'/>
      <source file='{image}'/>
      <target dev='fda'/>
      <readonly/>
    </disk>
    <controller type='usb' model='none'/>
    <serial type='pty'/>
    <console type='pty'/>
    {devices}
  </devices>
</domain>
"
        ))
    }

    /// The QEMU of the guest `name`, if it runs.
    pub fn process(&self, name: &str) -> Option<Running> {
        let file = self.pid_files.join(format!("{name}.pid"));
        Running::of_file(&file, self.directory.path())
    }
}

/// What a guest is made of, beyond what every guest of ours needs. The default
/// is nothing, which starts fastest.
#[derive(Debug, Clone, Copy)]
pub struct Hardware<'a> {
    /// Its memory.
    pub memory_mib: u32,
    /// XML for below `<domain>`.
    pub domain: &'a str,
    /// XML for below `<devices>`. libvirt adds a memory balloon unless it finds
    /// one here, such as the `none` of the default.
    pub devices: &'a str,
}

impl Default for Hardware<'_> {
    fn default() -> Self {
        Self {
            memory_mib: 2,
            domain: "",
            devices: "<memballoon model='none'/>",
        }
    }
}

/// A guest. When it is dropped its QEMU is killed, which works also if the
/// daemon is dead or frozen.
#[derive(Debug)]
#[must_use = "the guest ends when this is dropped"]
pub struct Guest {
    domain: Domain,
    guests: Guests,
    name: String,
}

impl Guest {
    /// What it prints first.
    pub const BANNER: &[u8] = b"READY\r\n";
    /// Makes it print 65,536 times `x` and then [`DONE`](Self::DONE).
    pub const FLOOD: u8 = 0x06;
    /// What it prints after a flood.
    pub const DONE: &[u8] = b"\r\nDONE\r\n";
    /// Makes it start anew.
    pub const RESET: u8 = 0x12;
    /// Makes it turn itself off.
    pub const POWER_OFF: u8 = 0x14;
    /// Begins a [`Poke`](super::Poke).
    pub const POKE: u8 = 0x10;

    /// Creates a guest that does not run yet, so that the console can be opened
    /// before it prints its banner.
    ///
    /// # Errors
    ///
    /// - libvirt refuses. The first guest in a fresh cache takes seconds, which
    ///   is not an error.
    /// - QEMU or binutils are not installed.
    pub fn create_paused(
        connection: &Connect,
        guests: &Guests,
        name: &str,
    ) -> Result<Self, RigError> {
        let xml = guests.xml(name)?;
        let domain = connection
            .create_domain_xml(&xml, sys::VIR_DOMAIN_START_PAUSED)
            .map_err(|source| RigError::Libvirt {
                what: format!("create the guest {name}"),
                source,
            })?;
        unlock_console(&domain)?;
        Ok(Self {
            domain,
            guests: guests.clone(),
            name: name.to_owned(),
        })
    }

    /// As libvirt knows it.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Its QEMU.
    ///
    /// # Errors
    ///
    /// - It does not run.
    pub fn process(&self) -> Result<Running, RigError> {
        self.guests
            .process(&self.name)
            .ok_or_else(|| RigError::NotRunning(format!("the guest {}", self.name)))
    }

    /// Kills its QEMU, and waits until it has ended. The driver notices later.
    ///
    /// # Errors
    ///
    /// - It does not run.
    pub fn kill(&self) -> Result<(), RigError> {
        self.process()?.end(Signal::KILL)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // One that has been destroyed is not there any more.
        if let Some(process) = self.guests.process(&self.name) {
            let _ = process.signal(Signal::KILL);
        }
    }
}
