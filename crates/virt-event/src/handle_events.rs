use std::ffi::c_int;

bitflags::bitflags! {
    /// What a watch asks for, and what its callback is told: libvirt's
    /// `virEventHandleType`.
    ///
    /// [`ERROR`](Self::ERROR) and [`HANGUP`](Self::HANGUP) are reported while
    /// any interest at all is set, whether or not they were asked for; the
    /// empty set asks for nothing and parks the watch (contract H2, H4).
    #[doc(alias = "virEventHandleType")]
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct HandleEvents: u32 {
        /// Reading would not block, or the peer has closed its sending side.
        #[doc(alias = "VIR_EVENT_HANDLE_READABLE")]
        const READABLE = 1 << 0;
        /// Writing would not block.
        #[doc(alias = "VIR_EVENT_HANDLE_WRITABLE")]
        const WRITABLE = 1 << 1;
        /// The descriptor has an error pending.
        #[doc(alias = "VIR_EVENT_HANDLE_ERROR")]
        const ERROR = 1 << 2;
        /// Both directions are closed. A half-close is [`READABLE`](Self::READABLE):
        /// libvirt drops a connection on a hang-up (contract H3).
        #[doc(alias = "VIR_EVENT_HANDLE_HANGUP")]
        const HANGUP = 1 << 3;
    }
}

impl HandleEvents {
    /// The set that libvirt's C int stands for. Unknown bits are ignored.
    pub const fn from_raw(events: c_int) -> Self {
        Self::from_bits_truncate(events as u32)
    }

    /// The C int that libvirt's functions take.
    pub const fn to_raw(self) -> c_int {
        self.bits() as c_int
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_bits_are_dropped() {
        assert_eq!(HandleEvents::from_raw(1 << 4), HandleEvents::empty());
        assert_eq!(HandleEvents::from_raw(-1), HandleEvents::all());
        assert_eq!(HandleEvents::from_raw(1 | 1 << 30), HandleEvents::READABLE);
    }

    #[test]
    fn every_set_survives_the_trip_through_c() {
        for raw in 0..16 {
            assert_eq!(HandleEvents::from_raw(raw).to_raw(), raw);
        }
    }
}
