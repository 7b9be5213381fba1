//! Virtio devices, as their guest's driver sees them (virtio 1.1, "legacy" too).
//!
//! A driver here has one queue of 32 places, in the memory that [`Poke::Memory`]
//! says is free, and makes one request at a time.

use virt_event_tests::rig::Poke;

use crate::pci::Slot;

/// The queue: its descriptors, what the driver offers, what the device has used.
/// The distances between them are those of a legacy device.
const DESCRIPTORS: u16 = 0x8000;
const OFFERED: u16 = 0x8200;
const USED: u16 = 0x9000;
const PLACES: u16 = 32;

/// Where a request is, and its answer.
const REQUEST: u16 = 0x9800;
const ANSWER: u16 = 0x9c00;

/// Of a descriptor: there is another one, and the device writes.
const NEXT: u16 = 1;
const WRITE: u16 = 2;

/// How far a driver is.
const RESET: u8 = 0;
const ACKNOWLEDGED: u8 = 1;
const DRIVER: u8 = ACKNOWLEDGED | 2;
const FEATURES_OK: u8 = 8;
const DRIVER_OK: u8 = 4;

/// Puts the `turn`th request, counted from 1, into the queue.
fn offer(turn: u16, request: &[u8], answer: u16) -> Vec<Poke> {
    let (flags, next) = if answer > 0 { (NEXT, 1) } else { (0, 0) };
    let length = u16::try_from(request.len()).unwrap();
    let of_request = descriptor(REQUEST, length, flags, next);
    let of_answer = descriptor(ANSWER, answer, WRITE, 0);
    let place = OFFERED + 4 + (turn - 1) % PLACES * 2;
    [
        memory(REQUEST, request),
        memory(DESCRIPTORS, &[of_request, of_answer].concat()),
        memory(place, &[0, 0]),
        memory(OFFERED, &[[0, 0], turn.to_le_bytes()].concat()),
    ]
    .concat()
}

fn descriptor(address: u16, length: u16, flags: u16, next: u16) -> Vec<u8> {
    [
        u64::from(address).to_le_bytes().as_slice(),
        &u32::from(length).to_le_bytes(),
        &flags.to_le_bytes(),
        &next.to_le_bytes(),
    ]
    .concat()
}

fn memory(address: u16, bytes: &[u8]) -> Vec<Poke> {
    let poke = |(at, byte): (u16, &u8)| Poke::Memory(at, *byte);
    (address..).zip(bytes).map(poke).collect()
}

/// A device of the older way, at I/O ports.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Legacy {
    /// The first port.
    port: u16,
}

impl Legacy {
    const FEATURES: u16 = 0x04;
    const QUEUE_PAGE: u16 = 0x08;
    const QUEUE: u16 = 0x0e;
    const NOTIFY: u16 = 0x10;
    const STATUS: u16 = 0x12;
    const CONFIGURATION: u16 = 0x14;

    /// The device in `slot`, and how to make it answer at `port` and those that
    /// follow.
    pub(crate) fn at(slot: Slot, port: u16) -> (Self, Vec<Poke>) {
        (Self { port }, slot.move_ports(port))
    }

    /// Writes a field of the device's own configuration.
    pub(crate) fn configure(self, field: u16, value: u32) -> Poke {
        Poke::Out32(self.port + Self::CONFIGURATION + field, value)
    }

    /// Begins, with one of its queues.
    pub(crate) fn begin(self, features: u32, queue: u16) -> Vec<Poke> {
        let port = self.port;
        let page = u32::from(DESCRIPTORS) >> 12;
        vec![
            Poke::Out8(port + Self::STATUS, RESET),
            Poke::Out8(port + Self::STATUS, DRIVER),
            Poke::Out32(port + Self::FEATURES, features),
            Poke::Out16(port + Self::QUEUE, queue),
            Poke::Out32(port + Self::QUEUE_PAGE, page),
            Poke::Out8(port + Self::STATUS, DRIVER | DRIVER_OK),
        ]
    }

    /// Makes the `turn`th request, which has no answer.
    pub(crate) fn ask(self, queue: u16, turn: u16, request: &[u8]) -> Vec<Poke> {
        let mut pokes = offer(turn, request, 0);
        pokes.push(Poke::Out16(self.port + Self::NOTIFY, queue));
        pokes
    }
}

/// A device of the newer way, in memory that a guest of 16 bits cannot reach; so
/// it goes through the device's window in the PCI configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Modern(pub(crate) Slot);

impl Modern {
    // Where QEMU puts the window, and what is seen through it.
    const WINDOW: u8 = 0x84;
    const BAR: u8 = 4;
    const COMMON: u32 = 0;
    const NOTIFY: u32 = 0x3000;

    // The common configuration.
    const WHICH_FEATURES: u32 = 0x08;
    const FEATURES: u32 = 0x0c;
    const STATUS: u32 = 0x14;
    const QUEUE: u32 = 0x16;
    const QUEUE_SIZE: u32 = 0x18;
    const QUEUE_ENABLED: u32 = 0x1c;
    const QUEUE_DESCRIPTORS: u32 = 0x20;
    const QUEUE_OFFERED: u32 = 0x28;
    const QUEUE_USED: u32 = 0x30;

    /// `VIRTIO_F_VERSION_1`, which is in the second half of the features.
    const VERSION_1: u32 = 1;

    /// Begins, with its first queue.
    pub(crate) fn begin(self) -> Vec<Poke> {
        let status = |status: u8| (Self::STATUS, 1, u32::from(status));
        [
            status(RESET),
            status(DRIVER),
            (Self::WHICH_FEATURES, 4, 1),
            (Self::FEATURES, 4, Self::VERSION_1),
            status(DRIVER | FEATURES_OK),
            (Self::QUEUE, 2, 0),
            (Self::QUEUE_SIZE, 2, PLACES.into()),
            (Self::QUEUE_DESCRIPTORS, 4, DESCRIPTORS.into()),
            (Self::QUEUE_DESCRIPTORS + 4, 4, 0),
            (Self::QUEUE_OFFERED, 4, OFFERED.into()),
            (Self::QUEUE_OFFERED + 4, 4, 0),
            (Self::QUEUE_USED, 4, USED.into()),
            (Self::QUEUE_USED + 4, 4, 0),
            (Self::QUEUE_ENABLED, 2, 1),
            status(DRIVER | FEATURES_OK | DRIVER_OK),
        ]
        .into_iter()
        .flat_map(|(register, size, value)| self.write(Self::COMMON + register, size, value))
        .collect()
    }

    /// Makes the `turn`th request, with an answer of so many bytes.
    pub(crate) fn ask(self, turn: u16, request: &[u8], answer: u16) -> Vec<Poke> {
        let mut pokes = offer(turn, request, answer);
        pokes.extend(self.write(Self::NOTIFY, 2, 0));
        pokes
    }

    fn write(self, offset: u32, size: u32, value: u32) -> Vec<Poke> {
        [
            (Self::WINDOW + 4, u32::from(Self::BAR)),
            (Self::WINDOW + 8, offset),
            (Self::WINDOW + 12, size),
            (Self::WINDOW + 16, value),
        ]
        .into_iter()
        .flat_map(|(register, value)| self.0.configure(register, value))
        .collect()
    }
}
