//! What a Rust type is called in C.

use std::ffi::{c_char, c_int, c_uint, c_void};

/// A Rust type of which C has the same.
pub(super) trait CType {
    /// A C type name, such as `int (*)(int, void *)`.
    fn name() -> String;
}

/// The C name of the type of a value; used with functions.
pub(super) fn name_of<T: CType>(_: T) -> String {
    T::name()
}

macro_rules! named {
    ($($rust:ty: $c:literal,)+) => {$(
        impl CType for $rust {
            fn name() -> String {
                $c.to_owned()
            }
        }
    )+};
}

named! {
    (): "void",
    c_int: "int",
    c_uint: "unsigned int",
    *mut c_void: "void *",
    *const c_char: "const char *",
}

macro_rules! functions {
    ($(($($argument:ident)*),)+) => {$(
        impl<R: CType, $($argument: CType),*> CType for unsafe extern "C" fn($($argument),*) -> R {
            fn name() -> String {
                function(&R::name(), &[$($argument::name()),*])
            }
        }

        // A null pointer to a function is `None` in Rust.
        impl<R: CType, $($argument: CType),*> CType
            for Option<unsafe extern "C" fn($($argument),*) -> R>
        {
            fn name() -> String {
                <unsafe extern "C" fn($($argument),*) -> R>::name()
            }
        }
    )+};
}

functions! {
    (),
    (A),
    (A B),
    (A B C),
    (A B C D),
    (A B C D E),
    (A B C D E F),
}

impl<R: CType, A: CType, B: CType> CType for unsafe extern "C" fn(A, B, ...) -> R {
    fn name() -> String {
        function(&R::name(), &[A::name(), B::name(), "...".to_owned()])
    }
}

fn function(returned: &str, arguments: &[String]) -> String {
    let arguments = match arguments {
        [] => "void".to_owned(),
        some => some.join(", "),
    };
    format!("{returned} (*)({arguments})")
}
