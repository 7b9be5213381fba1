//! What a guest can be made to do to its hardware.

use super::Guest;

/// Something that a guest does when it is sent the [`bytes`](Self::bytes) on its
/// console. With enough of them, a test is the guest's operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poke {
    /// Writes a byte to an I/O port.
    Out8(u16, u8),
    /// Writes two bytes to an I/O port.
    Out16(u16, u16),
    /// Writes four bytes to an I/O port.
    Out32(u16, u32),
    /// Writes a byte to memory. From 0x8000 to 0x9fff there is nothing else.
    Memory(u16, u8),
    /// Lets the BIOS read the first sector of a drive, of which 0x80 is the
    /// first disk, to 0x8000.
    ReadSector(u8),
    /// Lets the BIOS write what is at 0x8000 to the first sector of a drive.
    WriteSector(u8),
}

impl Poke {
    /// What the guest prints when it has done it.
    pub const DONE: u8 = b'.';
    /// What the guest prints when it has done it and the BIOS says that the
    /// drive failed.
    pub const FAILED: u8 = b'!';

    /// What the guest is to be sent.
    pub fn bytes(self) -> Vec<u8> {
        let (what, at, value) = match self {
            Self::Out8(port, value) => (b'b', port, value.to_le_bytes().to_vec()),
            Self::Out16(port, value) => (b'w', port, value.to_le_bytes().to_vec()),
            Self::Out32(port, value) => (b'l', port, value.to_le_bytes().to_vec()),
            Self::Memory(address, value) => (b'm', address, vec![value]),
            Self::ReadSector(drive) => (b'd', u16::from_le_bytes([2, drive]), Vec::new()),
            Self::WriteSector(drive) => (b'd', u16::from_le_bytes([3, drive]), Vec::new()),
        };
        let [low, high] = at.to_le_bytes();
        [vec![Guest::POKE, what, low, high], value].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_little_endian() {
        assert_eq!(Poke::Out8(0x3f8, 7).bytes(), b"\x10b\xf8\x03\x07");
        assert_eq!(Poke::Out16(0x604, 0x2000).bytes(), b"\x10w\x04\x06\x00\x20");
        assert_eq!(
            Poke::Out32(1, 0x1234_5678).bytes(),
            b"\x10l\x01\x00\x78\x56\x34\x12"
        );
        assert_eq!(Poke::Memory(0x8001, 9).bytes(), b"\x10m\x01\x80\x09");
        assert_eq!(Poke::ReadSector(0x80).bytes(), b"\x10d\x02\x80");
        assert_eq!(Poke::WriteSector(0x80).bytes(), b"\x10d\x03\x80");
    }
}
