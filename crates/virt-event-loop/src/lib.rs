//! The built-in event loop for libvirt, for programs that have none of their own.
