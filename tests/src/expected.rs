//! What the implementations do that are not expected to pass everything, and
//! why. A result that is not listed here is a test failure, and so is a pass
//! that is.

use virt_event_conformance::{Case, Outcome};

use crate::implementations::{Examined, Standing};

/// One listed gap.
#[derive(Clone, Copy, Debug)]
pub struct Gap {
    /// The implementation's name.
    pub implementation: &'static str,
    /// The case's name.
    pub case: &'static str,
    /// What happens.
    pub kind: Kind,
    /// Why.
    pub reason: &'static str,
}

/// What happens in place of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It fails a check.
    Fail,
    /// It does not end.
    Hang,
    /// Now this, now that.
    Unstable,
    /// The host forbids what the case needs.
    NotApplicable,
}

impl Kind {
    /// As in the table.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Hang => "hang",
            Self::Unstable => "unstable",
            Self::NotApplicable => "n/a",
        }
    }

    /// Whether this is what happened. Attempts at something unstable may
    /// happen to agree.
    fn allows(self, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::NotApplicable(_) => self == Self::NotApplicable,
            outcome => self == Self::Unstable || self.word() == outcome.word(),
        }
    }
}

/// The gap that is listed for a case.
pub fn gap(implementation: &str, case: &str) -> Option<&'static Gap> {
    GAPS.iter()
        .find(|gap| gap.implementation == implementation && gap.case == case)
}

/// What the table says about an outcome, or why it is unexpected.
///
/// # Errors
///
/// - The outcome is not what is expected, in words.
pub fn judge(examined: &Examined, case: &Case, outcome: &Outcome) -> Result<&'static str, String> {
    match (gap(examined.implementation.name, case.name), outcome) {
        (Some(gap), outcome) if gap.kind.allows(outcome) => Ok(gap.kind.word()),
        (Some(gap), outcome) => Err(format!(
            "{outcome}\nbut tests/src/expected.rs lists {}: {}",
            gap.kind.word(),
            gap.reason
        )),
        (None, Outcome::Pass) => Ok(outcome.word()),
        (None, Outcome::NotApplicable(_)) if examined.standing == Standing::Peer => {
            Ok(outcome.word())
        }
        (None, outcome) => Err(outcome.to_string()),
    }
}

/// Every gap, by implementation and in the order of the cases.
pub const GAPS: &[Gap] = &[];
