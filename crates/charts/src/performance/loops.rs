//! Who is on the charts and in the tables, by the names of the command line.

/// Those without a loop.
pub(super) const FLOORS: [&str; 2] = ["floor", "floor-shared"];

/// Those with our reactor, but for tokio's second runtime.
pub(super) const FIVE: [&str; 5] = ["builtin", "mio", "tokio", "calloop", "glib"];

/// Those with our reactor.
pub(super) const OURS: [&str; 6] = ["builtin", "mio", "tokio", "tokio-multi", "calloop", "glib"];

/// Those with our reactor on somebody's loop.
pub(super) const ADAPTERS: [&str; 5] = ["mio", "tokio", "tokio-multi", "calloop", "glib"];

/// Other implementations of libvirt's interface.
pub(super) const PEERS: [&str; 3] = ["libvirt-default", "libvirt-glib", "libvirtaio"];

/// Hosts without libvirt.
pub(super) const HOSTS: [&str; 6] = [
    "mio-native",
    "tokio-native",
    "tokio-multi-native",
    "calloop-native",
    "glib-native",
    "glib-native-recursive",
];

/// Ours and what others have, which is what most workloads can be done on.
pub(super) fn implementations() -> Vec<&'static str> {
    [&OURS[..], &PEERS].concat()
}

/// All of them.
pub(super) fn everybody() -> Vec<&'static str> {
    [&FLOORS[..], &OURS, &HOSTS, &PEERS].concat()
}

pub(super) fn is_ours(name: &str) -> bool {
    OURS.contains(&name)
}

/// What a chart calls it.
pub(super) fn words(name: &str) -> &str {
    match name {
        "floor" => "without a loop",
        "builtin" => "built-in loop",
        "glib" => "GLib",
        "libvirt-default" => "libvirt's default",
        other => other,
    }
}
