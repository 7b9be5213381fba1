//! Puts an EventImpl into the real libvirt, and checks that libvirt took it.
