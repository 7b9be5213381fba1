//! Programs that use virt-event as a user would.
