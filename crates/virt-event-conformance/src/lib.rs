//! An exam for implementations of libvirt'"s.
