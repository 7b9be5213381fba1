use virt_event::HandleEvents;

use crate::sys::Interest;

/// What an interest asks of the kernel. (One in errors alone is one.)
pub(crate) fn wanted(interest: HandleEvents) -> Interest {
    (!interest.is_empty()).then_some(interest)
}

/// What two of them ask together.
pub(crate) fn union(one: Interest, other: Interest) -> Interest {
    match (one, other) {
        (Some(one), Some(other)) => Some(one | other),
        (one, other) => one.or(other),
    }
}
