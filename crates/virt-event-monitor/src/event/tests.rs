//! The types against libvirt's own header.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::c_enum::CEnum;
use super::*;
use crate::CloseReason;

/// The newest libvirt whose events these types are for. What a newer header
/// adds is no error.
const SUPPORTED: [u32; 3] = [9, 0, 0];

/// The text of libvirt's headers on this machine.
fn headers() -> String {
    let asked = Command::new("pkg-config")
        .args(["--variable=includedir", "libvirt"])
        .output()
        .expect("pkg-config, from `cargo xtask setup`");
    let mut directory = PathBuf::from(String::from_utf8(asked.stdout).unwrap().trim());
    if directory.as_os_str().is_empty() {
        directory = "/usr/include".into();
    }
    [
        "common", "domain", "network", "storage", "nodedev", "secret",
    ]
    .map(|part| {
        let path = directory.join(format!("libvirt/libvirt-{part}.h"));
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    })
    .concat()
}

/// A constant of the header.
#[derive(Debug, PartialEq, Eq)]
struct Constant {
    number: i32,
    since: String,
}

/// The constants of `typedef enum { … } name;`.
fn constants(headers: &str, name: &str) -> BTreeMap<String, Constant> {
    let end = headers
        .find(&format!("}} {name};"))
        .unwrap_or_else(|| panic!("no {name} in the headers"));
    let body = &headers[..end];
    let body = &body[body.rfind("typedef enum {").expect("its beginning")..];
    let mut constants = BTreeMap::new();
    let mut next = 0;
    // The comment with the version is before a constant, or behind it.
    let mut comment = String::new();
    for line in body.lines() {
        let code = line.trim();
        let is_constant = code.starts_with("VIR_") && !code.contains("_LAST");
        if !is_constant {
            if code.starts_with("/*") {
                comment.clear();
            }
            comment.push_str(code);
            continue;
        }
        let name = code.split([' ', '=', ',']).next().unwrap();
        let number = code
            .split_once('=')
            .and_then(|(_, value)| value.trim().split([',', ' ']).next())
            .map_or(next, |value| value.parse().unwrap());
        next = number + 1;
        let version = |text: &str| {
            let (_, rest) = text.split_once("Since: ")?;
            Some(rest.split([')', ' ', '*']).next()?.to_owned())
        };
        let since = version(code)
            .or_else(|| version(&comment))
            .unwrap_or_default();
        comment.clear();
        constants.insert(name.to_owned(), Constant { number, since });
    }
    assert!(!constants.is_empty(), "{name}");
    constants
}

fn is_supported(since: &str) -> bool {
    let parts: Vec<u32> = since.split('.').map(|part| part.parse().unwrap()).collect();
    parts.as_slice() <= SUPPORTED.as_slice()
}

fn check_enum<E: CEnum>(headers: &str) {
    let mut theirs = constants(headers, E::C_NAME);
    theirs.retain(|_, constant| constant.since.is_empty() || is_supported(&constant.since));
    let theirs: BTreeMap<_, _> = theirs
        .iter()
        .map(|(name, constant)| (name.as_str(), constant.number))
        .collect();
    let ours: BTreeMap<_, _> = E::CONSTANTS.iter().copied().collect();
    assert_eq!(ours, theirs, "{}", E::C_NAME);

    for &(name, number) in E::CONSTANTS {
        let (word, back, unknown) = E::round_trip(number);
        assert_eq!((back, unknown), (number, false), "{name}");
        assert!(!word.is_empty() && !word.contains("unknown"), "{name}");
    }
    for number in [-1, i32::MIN, 4711, i32::MAX] {
        let (word, back, unknown) = E::round_trip(number);
        assert_eq!((back, unknown), (number, true), "{}", E::C_NAME);
        assert!(word.contains(&number.to_string()), "{word}");
    }
}

#[test]
fn every_enumeration_has_what_the_header_has() {
    let headers = headers();
    macro_rules! check {
        ($($ty:ty,)+) => { $(check_enum::<$ty>(&headers);)+ };
    }
    check! {
        CloseReason,
        domain::DefinedDetail,
        domain::UndefinedDetail,
        domain::StartedDetail,
        domain::SuspendedDetail,
        domain::ResumedDetail,
        domain::StoppedDetail,
        domain::ShutdownDetail,
        domain::PmSuspendedDetail,
        domain::CrashedDetail,
        domain::WatchdogAction,
        domain::IoErrorAction,
        domain::GraphicsPhase,
        domain::GraphicsAddressType,
        domain::BlockJobType,
        domain::BlockJobStatus,
        domain::DiskChangeReason,
        domain::TrayChangeReason,
        domain::AgentState,
        domain::AgentReason,
        domain::MetadataType,
        domain::MemoryFailureRecipient,
        domain::MemoryFailureAction,
        network::LifecycleChange,
        storage_pool::LifecycleChange,
        node_device::LifecycleChange,
        secret::LifecycleChange,
        secret::SecretUsageType,
    }
}

#[test]
fn every_event_id_of_the_header_has_a_kind() {
    let headers = headers();
    let mut theirs = BTreeMap::new();
    for ids in [
        "virDomainEventID",
        "virNetworkEventID",
        "virStoragePoolEventID",
        "virNodeDeviceEventID",
        "virSecretEventID",
    ] {
        theirs.extend(constants(&headers, ids));
    }
    theirs.retain(|_, constant| is_supported(&constant.since));
    let ours: BTreeMap<_, _> = EventKind::ALL
        .iter()
        .map(|kind| {
            let constant = Constant {
                number: kind.as_raw(),
                since: kind.since().to_owned(),
            };
            (kind.constant().to_owned(), constant)
        })
        .collect();
    assert_eq!(ours, theirs);
    assert_eq!(ours.len(), EventKind::ALL.len());
}

#[test]
fn the_table_in_the_docs_lists_every_kind() {
    let table = include_str!("../../docs/events.md");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.contains("EVENT_ID"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), EventKind::ALL.len());
    for (kind, row) in EventKind::ALL.iter().zip(rows) {
        let expected = [
            format!("`{}`", kind.constant()),
            format!("`{}`", kind.name()),
            format!("[`{0}`](crate::{0})", kind.rust_type()),
            kind.since().to_owned(),
        ];
        assert_eq!(row[..4], expected, "{kind:?}");
        // That they are true is tested where the events are produced.
        let producers: Vec<_> = row[4].split(", ").collect();
        let known = ["test driver", "QEMU guest", "daemon"];
        assert!(
            producers == ["C callback only"] || producers.iter().all(|it| known.contains(it)),
            "{kind:?}: {producers:?}"
        );
    }
}

#[test]
fn lifecycle_changes_keep_their_numbers() {
    let headers = headers();
    for constant in constants(&headers, "virDomainEventType").values() {
        for detail in [0, 1, 99, -3] {
            let change = domain::LifecycleChange::from_raw(constant.number, detail);
            assert_eq!(change.as_raw(), (constant.number, detail));
            let unknown = matches!(change, domain::LifecycleChange::Unknown { .. });
            assert!(!unknown || !is_supported(&constant.since), "{change:?}");
        }
    }
    let change = domain::LifecycleChange::from_raw(-7, 3);
    assert_eq!(change.as_raw(), (-7, 3));
    assert_eq!(change.to_string(), "unknown: -7 (detail 3)");
}

#[test]
fn the_words_are_those_that_people_know() {
    let shown = |event, detail| domain::LifecycleChange::from_raw(event, detail).to_string();
    assert_eq!(shown(0, 0), "defined (added)");
    assert_eq!(shown(2, 0), "started (booted)");
    assert_eq!(shown(3, 0), "suspended (paused)");
    assert_eq!(shown(4, 0), "resumed (unpaused)");
    assert_eq!(shown(5, 1), "stopped (destroyed)");
    assert_eq!(shown(6, 2), "shut down (by the host)");
    assert_eq!(shown(8, 1), "crashed (crash kernel loaded)");
    assert_eq!(shown(3, 77), "suspended (unknown: 77)");
}

#[test]
fn names_are_unique_and_found() {
    for kind in EventKind::ALL {
        assert_eq!(EventKind::from_name(kind.name()), Some(*kind));
    }
    assert_eq!(EventKind::from_name("life-cycle"), None);
}

#[test]
fn each_type_says_its_own_kind() {
    macro_rules! check {
        ($($name:ident, $module:ident::$ty:ident, $object:ident, $constant:ident, $word:literal, $since:literal;)+) => {
            $(assert_eq!($module::$ty::KIND, EventKind::$name);)+
        };
    }
    table::for_every_event!(check);
}
