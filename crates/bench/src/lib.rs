//! Ratios of the virt-event loops to the floor of the kernel and to their peers.
