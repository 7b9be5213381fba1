//! Named values, as libvirt's events carry them.

use std::fmt;

/// A value with its name. Displayed as `name=value`.
#[doc(alias = "virTypedParameter")]
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TypedParam {
    /// What it is the value of.
    pub name: String,
    /// The value.
    pub value: TypedValue,
}

/// A value of one of libvirt's types.
#[doc(alias = "virTypedParameterType")]
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum TypedValue {
    /// `VIR_TYPED_PARAM_INT`.
    Int(i32),
    /// `VIR_TYPED_PARAM_UINT`.
    Uint(u32),
    /// `VIR_TYPED_PARAM_LLONG`.
    Llong(i64),
    /// `VIR_TYPED_PARAM_ULLONG`.
    Ullong(u64),
    /// `VIR_TYPED_PARAM_DOUBLE`.
    Double(f64),
    /// `VIR_TYPED_PARAM_BOOLEAN`.
    Boolean(bool),
    /// `VIR_TYPED_PARAM_STRING`.
    String(String),
    /// A type that this version does not know; its number is kept, its value is
    /// not.
    Unknown(i32),
}

impl fmt::Display for TypedParam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

impl fmt::Display for TypedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => value.fmt(f),
            Self::Uint(value) => value.fmt(f),
            Self::Llong(value) => value.fmt(f),
            Self::Ullong(value) => value.fmt(f),
            Self::Double(value) => value.fmt(f),
            Self::Boolean(value) => value.fmt(f),
            Self::String(value) => value.fmt(f),
            Self::Unknown(ty) => write!(f, "(of unknown type {ty})"),
        }
    }
}
