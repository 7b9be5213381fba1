//! The system packages that this repository needs, and why.

/// What a package is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To compile the workspace and to run the examples.
    Build,
    /// To run the tests as well.
    Test,
    /// To run programs under valgrind: tests under memcheck, and what counts
    /// instructions.
    Valgrind,
    /// To measure the loops beside others.
    Bench,
}

/// One package.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Package {
    /// The name to install on Debian and its relatives.
    pub(crate) debian: &'static str,
    /// The name that counts as having it: a virtual package where several
    /// real ones do the job, otherwise the same name.
    pub(crate) satisfied_by: &'static str,
    /// The name on Fedora and its relatives.
    pub(crate) fedora: &'static str,
    /// A command that succeeds if the package is there, for systems whose
    /// package database we do not read.
    pub(crate) probe: &'static [&'static str],
    pub(crate) purposes: &'static [Purpose],
    /// Shown to the user before anything is installed.
    pub(crate) reason: &'static str,
}

/// Every package. A list in one place, so that a later need is one entry.
///
/// libvirt-dev brings libvirt0, which contains the `test:///default`
/// hypervisor: that is enough for the demo. The tests also start daemons of
/// their own. The packages start none: Debian keeps the system's service in
/// libvirt-daemon-system.
pub(crate) const PACKAGES: &[Package] = &[
    Package {
        debian: "libvirt-dev",
        satisfied_by: "libvirt-dev",
        fedora: "libvirt-devel",
        probe: &["pkg-config", "--exists", "libvirt"],
        purposes: &[Purpose::Build],
        reason: "libvirt itself and its headers",
    },
    Package {
        debian: "libglib2.0-dev",
        satisfied_by: "libglib2.0-dev",
        fedora: "glib2-devel",
        probe: &["pkg-config", "--exists", "glib-2.0"],
        purposes: &[Purpose::Build],
        reason: "GLib, for its adapter",
    },
    Package {
        debian: "pkg-config",
        // A transitional package on Debian 12 and virtual from 13 on; `pkgconf`
        // provides it on both.
        satisfied_by: "pkg-config",
        fedora: "pkgconf-pkg-config",
        probe: &["pkg-config", "--version"],
        purposes: &[Purpose::Build],
        reason: "tells the build scripts where libvirt is",
    },
    Package {
        debian: "gcc",
        // Any C compiler will do: it links, and a test compiles libvirt.h.
        satisfied_by: "c-compiler",
        fedora: "gcc",
        probe: &["cc", "--version"],
        purposes: &[Purpose::Build],
        reason: "links, and compiles the check against libvirt.h",
    },
    Package {
        debian: "libc6-dev",
        // gcc merely recommends it, so --no-install-recommends leaves it out.
        satisfied_by: "libc-dev",
        fedora: "glibc-devel",
        // No program can be linked without it, and this one has been.
        probe: &["true"],
        purposes: &[Purpose::Build],
        reason: "the C library's headers and start files, for gcc",
    },
    Package {
        debian: "strace",
        satisfied_by: "strace",
        fedora: "strace",
        probe: &["strace", "--version"],
        purposes: &[Purpose::Test],
        reason: "counts system calls in a test",
    },
    Package {
        debian: "libvirt-glib-1.0-0",
        satisfied_by: "libvirt-glib-1.0-0",
        fedora: "libvirt-glib",
        // It is loaded at run time, so only the loader need find it. Not every
        // user has the directory of ldconfig(8) on the PATH.
        probe: &[
            "sh",
            "-c",
            "PATH=$PATH:/sbin:/usr/sbin ldconfig -p | grep -qF libvirt-glib-1.0.so.0",
        ],
        purposes: &[Purpose::Test, Purpose::Bench],
        reason: "a peer in the conformance exam and in the benchmarks",
    },
    Package {
        debian: "libvirt-daemon",
        satisfied_by: "libvirt-daemon",
        fedora: "libvirt-daemon",
        // Not every user has the directory of daemons on the PATH.
        probe: &["sh", "-c", "PATH=$PATH:/sbin:/usr/sbin command -v libvirtd"],
        purposes: &[Purpose::Test, Purpose::Bench],
        reason: "a private libvirtd, for tests and benchmarks over a socket",
    },
    Package {
        debian: "libvirt-daemon-driver-qemu",
        satisfied_by: "libvirt-daemon-driver-qemu",
        fedora: "libvirt-daemon-driver-qemu",
        // libvirt loads it from its own directory, of which it tells nobody.
        probe: &[
            "sh",
            "-c",
            "for driver in /usr/lib*/libvirt/connection-driver/libvirt_driver_qemu.so \
             /usr/lib/*/libvirt/connection-driver/libvirt_driver_qemu.so; \
             do [ -e \"$driver\" ] && exit 0; done; exit 1",
        ],
        purposes: &[Purpose::Test],
        reason: "lets libvirt run guests, for the tests of consoles",
    },
    Package {
        debian: "libvirt-clients",
        satisfied_by: "libvirt-clients",
        fedora: "libvirt-client",
        probe: &["virt-admin", "--version"],
        purposes: &[Purpose::Test],
        reason: "virt-admin, which cuts one client off, and virsh",
    },
    Package {
        debian: "qemu-system-x86",
        satisfied_by: "qemu-system-x86",
        fedora: "qemu-system-x86",
        probe: &["qemu-system-x86_64", "--version"],
        purposes: &[Purpose::Test],
        reason: "the guests, under software emulation",
    },
    Package {
        debian: "binutils",
        satisfied_by: "binutils",
        fedora: "binutils",
        probe: &["as", "--version"],
        purposes: &[Purpose::Test],
        reason: "assembles what the guests boot",
    },
    Package {
        debian: "valgrind",
        satisfied_by: "valgrind",
        fedora: "valgrind",
        probe: &["valgrind", "--version"],
        purposes: &[Purpose::Valgrind],
        reason: "checks memory across the border to libvirt, and counts instructions",
    },
    Package {
        debian: "python3-libvirt",
        satisfied_by: "python3-libvirt",
        fedora: "python3-libvirt",
        probe: &["python3", "-c", "import libvirtaio"],
        purposes: &[Purpose::Bench],
        reason: "a peer in the benchmarks",
    },
];

/// The packages that any of `purposes` needs.
pub(crate) fn needed(purposes: &[Purpose]) -> Vec<Package> {
    PACKAGES
        .iter()
        .copied()
        .filter(|package| package.purposes.iter().any(|it| purposes.contains(it)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_needs_no_instruments() {
        let names: Vec<_> = needed(&[Purpose::Build])
            .iter()
            .map(|package| package.debian)
            .collect();
        assert!(names.contains(&"libvirt-dev"));
        assert!(names.contains(&"libglib2.0-dev"));
        assert!(!names.contains(&"libvirt-glib-1.0-0"));
        assert!(!names.contains(&"libvirt-daemon"));
        assert!(!names.contains(&"valgrind"));
    }

    #[test]
    fn only_the_benchmarks_need_python() {
        let names = |purposes: &[Purpose]| {
            let packages = needed(purposes);
            packages.iter().map(|it| it.debian).collect::<Vec<_>>()
        };
        let others = names(&[Purpose::Build, Purpose::Test, Purpose::Valgrind]);
        assert!(!others.contains(&"python3-libvirt"));
        let bench = names(&[Purpose::Build, Purpose::Bench]);
        for name in ["python3-libvirt", "libvirt-daemon", "libvirt-glib-1.0-0"] {
            assert!(bench.contains(&name), "{name}");
        }
        assert!(!bench.contains(&"qemu-system-x86"));
    }

    #[test]
    fn no_package_is_listed_twice() {
        for package in PACKAGES {
            let same = |other: &&Package| other.debian == package.debian;
            assert_eq!(
                PACKAGES.iter().filter(same).count(),
                1,
                "{}",
                package.debian
            );
        }
    }

    #[test]
    fn every_package_has_a_probe_and_a_reason() {
        for package in PACKAGES {
            assert!(!package.probe.is_empty(), "{}", package.debian);
            assert!(!package.reason.is_empty(), "{}", package.debian);
        }
    }
}
