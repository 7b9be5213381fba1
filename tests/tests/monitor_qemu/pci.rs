//! A guest's PCI devices, by their place on its bus.

use virt_event_tests::rig::Poke;

/// The ports of the configuration: which register, and its value.
const ADDRESS: u16 = 0xcf8;
const DATA: u16 = 0xcfc;

/// Registers that every device has.
const COMMAND: u8 = 0x04;
const FIRST_BAR: u8 = 0x10;

/// It answers at its ports and in memory, and may use memory by itself.
const ENABLED: u32 = 0b111;

/// The port by which a guest lets go of a device: it writes the bit of the slot.
const EJECT: u16 = 0xae08;

/// The device in one slot of the only bus.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot(pub(crate) u8);

impl Slot {
    /// Its address in the XML of a device.
    pub(crate) fn xml(self) -> String {
        format!("<address type='pci' bus='0' slot='{}'/>", self.0)
    }

    /// Writes a register of its configuration.
    pub(crate) fn configure(self, register: u8, value: u32) -> [Poke; 2] {
        let address = 1 << 31 | u32::from(self.0) << 11 | u32::from(register);
        [Poke::Out32(ADDRESS, address), Poke::Out32(DATA, value)]
    }

    /// Moves its ports to `port`, wherever the BIOS has put them.
    pub(crate) fn move_ports(self, port: u16) -> Vec<Poke> {
        [
            self.configure(FIRST_BAR, port.into()),
            self.configure(COMMAND, ENABLED),
        ]
        .concat()
    }

    /// Lets go of it, after the host has asked.
    pub(crate) fn eject(self) -> Poke {
        Poke::Out32(EJECT, 1 << self.0)
    }
}
