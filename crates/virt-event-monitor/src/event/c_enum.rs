//! libvirt's enumerations in Rust.

/// Defines an enumeration of libvirt's: a variant for each constant, with the
/// word that it is displayed as, and one that keeps a number which another
/// version of libvirt may send.
macro_rules! c_enum {
    (
        $(#[$doc:meta])*
        $name:ident, $alias:literal {
            $($(#[$variant_doc:meta])* $variant:ident = $constant:ident, $word:literal;)+
        }
    ) => {
        $(#[$doc])*
        #[doc(alias = $alias)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
        #[non_exhaustive]
        pub enum $name {
            $(
                #[doc = concat!("`", stringify!($constant), "`: ", $word, ".")]
                $(#[$variant_doc])*
                $variant,
            )+
            /// A number that this version has no name for.
            Unknown(i32),
        }

        impl $name {
            /// Every value that has a name.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The value that libvirt means by `raw`.
            pub fn from_raw(raw: i32) -> Self {
                match u32::try_from(raw) {
                    $(Ok(virt::sys::$constant) => Self::$variant,)+
                    _ => Self::Unknown(raw),
                }
            }

            /// libvirt's number for it.
            pub fn as_raw(self) -> i32 {
                match self {
                    $(Self::$variant => virt::sys::$constant as i32,)+
                    Self::Unknown(raw) => raw,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $(Self::$variant => f.pad($word),)+
                    Self::Unknown(raw) => write!(f, "unknown: {raw}"),
                }
            }
        }

        #[cfg(test)]
        impl crate::event::c_enum::CEnum for $name {
            const C_NAME: &str = $alias;
            const CONSTANTS: &[(&str, i32)] =
                &[$((stringify!($constant), virt::sys::$constant as i32)),+];

            fn round_trip(raw: i32) -> (String, i32, bool) {
                let value = Self::from_raw(raw);
                (
                    value.to_string(),
                    value.as_raw(),
                    matches!(value, Self::Unknown(_)),
                )
            }
        }
    };
}

pub(crate) use c_enum;

/// What the tests want to know of each enumeration.
#[cfg(test)]
pub(crate) trait CEnum {
    /// The C name of the type.
    const C_NAME: &str;
    /// Each constant that has a variant, with its number.
    const CONSTANTS: &[(&str, i32)];

    /// How a number is displayed, what it becomes again, and whether it is
    /// unknown.
    fn round_trip(raw: i32) -> (String, i32, bool);
}
