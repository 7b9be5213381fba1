//! A libvirt event loop behind one pollable file descriptor, for any host loop to drive.
