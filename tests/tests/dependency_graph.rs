//! What each crate makes its users build: the loop that it is for, and no other.

use std::collections::BTreeSet;
use std::env;
use std::process::Command;

/// The host loops and what only they bring along, by the adapter that may.
const HOSTS: &[(&str, &[&str])] = &[
    ("virt-event-mio", &["mio"]),
    ("virt-event-tokio", &["tokio", "mio"]),
    ("virt-event-calloop", &["calloop", "polling"]),
    (
        "virt-event-glib",
        &["glib", "glib-sys", "gobject-sys", "glib-macros"],
    ),
];

/// The other crates that are to be published.
const WITHOUT_HOST: &[&str] = &[
    "virt-event",
    "virt-event-reactor",
    "virt-event-libvirt",
    "virt-event-loop",
    "virt-event-conformance",
];

/// The one that is over the bindings, and says so.
const ON_BINDINGS: &str = "virt-event-monitor";

/// The names of all packages that a user of `package` builds.
fn graph(package: &str) -> BTreeSet<String> {
    let output = Command::new(env::var_os("CARGO").expect("run by cargo"))
        .args(["tree", "--locked", "--edges", "normal,build"])
        .args(["--prefix", "none", "--format", "{p}", "--package", package])
        .output()
        .expect("cargo tree");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("names");
    let names: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    assert!(names.contains(package), "{text}");
    names
}

#[test]
fn an_adapter_brings_its_own_loop_and_no_other() {
    for (adapter, own) in HOSTS {
        let names = graph(adapter);
        assert!(names.contains(own[0]), "{adapter} without {}", own[0]);
        for foreign in HOSTS.iter().flat_map(|(_, names)| *names) {
            assert!(
                own.contains(foreign) || !names.contains(*foreign),
                "{adapter} pulls in {foreign}"
            );
        }
    }
}

#[test]
fn a_crate_without_a_host_brings_none() {
    for package in WITHOUT_HOST.iter().chain([&ON_BINDINGS]) {
        let names = graph(package);
        for foreign in HOSTS.iter().flat_map(|(_, names)| *names) {
            assert!(!names.contains(*foreign), "{package} pulls in {foreign}");
        }
    }
}

/// `virt-sys` pins one version of `libc` for everybody.
#[test]
fn nobody_is_made_to_build_the_bindings() {
    let adapters = HOSTS.iter().map(|(adapter, _)| adapter);
    for package in adapters.chain(WITHOUT_HOST) {
        let names = graph(package);
        for bindings in ["virt", "virt-sys"] {
            assert!(!names.contains(bindings), "{package} pulls in {bindings}");
        }
    }
}

/// Subscriptions work with any loop, so they bring none of ours either.
#[test]
fn the_monitor_brings_the_bindings_and_no_reactor() {
    let names = graph(ON_BINDINGS);
    assert!(names.contains("virt"));
    for other in [
        "virt-event-reactor",
        "virt-event-libvirt",
        "virt-event-loop",
    ] {
        assert!(!names.contains(other), "it pulls in {other}");
    }
}

#[test]
fn the_contract_is_lean() {
    let names = graph("virt-event");
    let expected: BTreeSet<_> = [
        "bitflags",
        "proc-macro2",
        "quote",
        "syn",
        "thiserror",
        "thiserror-impl",
        "unicode-ident",
        "virt-event",
    ]
    .map(str::to_owned)
    .into();
    assert_eq!(names, expected);
}
