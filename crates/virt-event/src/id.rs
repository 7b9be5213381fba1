use std::fmt;
use std::num::NonZeroI32;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(NonZeroI32);

        impl $name {
            /// The id with this number; `None` unless the number is at least 1.
            pub const fn new(id: i32) -> Option<Self> {
                match NonZeroI32::new(id) {
                    Some(id) if id.get() > 0 => Some(Self(id)),
                    _ => None,
                }
            }

            /// The number that libvirt knows this entry by, at least 1.
            pub const fn get(self) -> i32 {
                self.0.get()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

id! {
    /// The id of a watched file descriptor.
    ///
    /// At least 1, and a space of its own: `WatchId` 3 and [`TimerId`] 3 have
    /// nothing to do with each other (contract I1, I2).
    WatchId
}

id! {
    /// The id of a timer.
    ///
    /// At least 1: with an id of 0 libvirt would never remove its keepalive
    /// timer (contract I1).
    TimerId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_positive_numbers_are_ids() {
        assert_eq!(WatchId::new(1).map(WatchId::get), Some(1));
        assert_eq!(TimerId::new(i32::MAX).map(TimerId::get), Some(i32::MAX));
        for refused in [0, -1, i32::MIN] {
            assert_eq!(WatchId::new(refused), None);
            assert_eq!(TimerId::new(refused), None);
        }
    }

    #[test]
    fn an_optional_id_costs_nothing() {
        assert_eq!(size_of::<Option<WatchId>>(), size_of::<i32>());
    }
}
