//! Finds libvirt through pkg-config and links it.

use std::{env, process};

/// `virGetLastErrorCode` came with 4.5.0; everything else is older.
const OLDEST: &str = "4.5.0";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=DOCS_RS");

    // docs.rs has no libvirt, and documentation links nothing. Everywhere else
    // a missing library must end the build here, where it can be explained,
    // and not at the linker.
    if env::var_os("DOCS_RS").is_some() {
        return;
    }

    // This also emits the `rerun-if-env-changed` of each variable that
    // pkg-config obeys (`PKG_CONFIG_PATH` and its like).
    let found = pkg_config::Config::new()
        .atleast_version(OLDEST)
        .probe("libvirt");
    if let Err(error) = found {
        eprintln!("{}", explanation(&error));
        process::exit(1);
    }
}

fn explanation(error: &pkg_config::Error) -> String {
    // The advice comes last, where it is read.
    format!(
        "pkg-config said:\n{error}\n\
         \n\
         virt-event-libvirt needs the libvirt library, version {OLDEST} or newer, \
         with its development files, and pkg-config to find it.\n\
         \n\
         Debian, Ubuntu:  sudo apt-get install libvirt-dev pkg-config\n\
         Fedora:          sudo dnf install libvirt-devel pkgconf-pkg-config\n\
         \n\
         If libvirt is installed in a place of its own, set PKG_CONFIG_PATH to the \
         directory of its libvirt.pc."
    )
}
