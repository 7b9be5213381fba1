//! How the types of events are defined.

/// Defines event types of one kind of object: a struct for each event, whose
/// first field says what it happened to, and the line that it is displayed as.
macro_rules! payloads {
    (
        $object:ident: $identity:ty, $libvirt:ty;
        $(
            $(#[$doc:meta])*
            $name:ident = $kind:ident {
                $($(#[$field_doc:meta])* $field:ident: $ty:ty,)*
            }
            $display:expr;
        )+
    ) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[non_exhaustive]
        pub struct $name {
            /// What it happened to.
            pub $object: $identity,
            $($(#[$field_doc])* pub $field: $ty,)*
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let rest: fn(&Self, &mut std::fmt::Formatter<'_>) -> std::fmt::Result = $display;
                write!(f, "{}: ", self.$object)?;
                rest(self, f)
            }
        }

        impl crate::event::Event for $name {
            type Object = $libvirt;
        }

        impl crate::event::TypedEvent for $name {
            const KIND: crate::event::EventKind = crate::event::EventKind::$kind;
        }

        impl crate::event::Sealed for $name {}
    )+};
}

pub(crate) use payloads;
