//! The program as its user runs it. What it measures is not looked at: no
//! figure is right or wrong on a machine that runs tests.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use virt_event_tests::rig::{Daemon, wait_until};

/// Those that libvirt has for its loop, and the floor.
const LOOPS: [&str; 9] = [
    "floor",
    "builtin",
    "mio",
    "tokio",
    "tokio-multi",
    "calloop",
    "glib",
    "libvirt-default",
    "libvirt-glib",
];

/// Those without libvirt.
const NATIVE: [&str; 6] = [
    "mio-native",
    "tokio-native",
    "tokio-multi-native",
    "calloop-native",
    "glib-native",
    "glib-native-recursive",
];

/// What all of [`LOOPS`] do.
const WORKLOADS: [&str; 15] = [
    "ping-pong/0",
    "ping-pong/10",
    "ping-pong/100",
    "ping-pong/1000",
    "ping-pong/10000",
    "active/64",
    "cross-thread",
    "update-handle",
    "update-handle-busy",
    "add-remove/0",
    "add-remove/1000",
    "add-remove/10000",
    "update-timeout",
    "update-timeout-earlier",
    "zero-timer",
];

/// What all but the floor do.
const KEEPING: [&str; 4] = [
    "timers/together",
    "timers/spread",
    "memory/watch",
    "memory/timer",
];

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(arguments)
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a child answers to some orders. It checks its own work: that it was
/// called back only for what was ready, that everything removed was freed, and
/// that no event was lost.
fn answers(r#loop: &str, workload: &str, more: &[&str], orders: &str) -> Vec<String> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["--serve", "--loop", r#loop, "--workload", workload])
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(orders.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{workload} on {loop}: {answers}");
    let mut lines = answers.lines().map(str::to_owned);
    assert_eq!(
        lines.next().as_deref(),
        Some("ready"),
        "{workload} on {loop}"
    );
    lines.collect()
}

fn does(r#loop: &str, workload: &str) {
    does_with(r#loop, workload, &[]);
}

/// Once, because each round takes a while.
fn keeps(r#loop: &str, workload: &str) {
    let answers = answers(r#loop, workload, &[], "33\n");
    assert_eq!(answers.len(), 1, "{workload} on {loop}: {answers:?}");
}

fn does_with(r#loop: &str, workload: &str, more: &[&str]) {
    let answers = answers(r#loop, workload, more, "1\n2\n33\n");
    assert_eq!(answers.len(), 3, "{workload} on {loop}: {answers:?}");
}

#[test]
fn every_loop_does_every_workload() {
    for r#loop in LOOPS {
        for workload in WORKLOADS {
            does(r#loop, workload);
        }
    }
    for workload in ["ping-pong/0", "ping-pong/10000", "update-handle"] {
        does("floor-shared", workload);
    }
}

#[test]
fn every_loop_keeps_watches_and_timers() {
    for r#loop in &LOOPS[1..] {
        for workload in KEEPING {
            keeps(r#loop, workload);
        }
    }
}

#[test]
fn every_loop_serves_a_libvirtd() {
    let daemon = Daemon::start().unwrap();
    let uri = format!("--uri={}", daemon.test_uri());
    for r#loop in LOOPS {
        for workload in ["rpc/alone", "rpc/threads-4", "open-close"] {
            does_with(r#loop, workload, &[&uri]);
        }
    }
    for r#loop in &LOOPS[1..] {
        does_with(r#loop, "event-storm/16", &[&uri]);
    }
    does_with("builtin", "rpc/idle-500", &[&uri]);
}

#[test]
fn what_needs_a_daemon_does_not_do_without() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_bench"));
    child.args(["--serve", "--loop=builtin", "--workload=rpc/alone"]);
    let output = child.stdin(Stdio::null()).output().unwrap();
    assert!(!output.status.success());
    let answer = String::from_utf8(output.stdout).unwrap();
    assert!(answer.starts_with("error: it needs a libvirtd"), "{answer}");
}

/// How late each was that was looked at, and the memory of what is kept.
#[test]
fn an_answer_says_what_there_is_besides_time() {
    let timers = answers("builtin", "timers/together", &[], "10000\n");
    let words: Vec<_> = timers[0].split(' ').collect();
    assert_eq!((words.len(), words[2]), (6, "late"), "{timers:?}");
    let late = |word: &str| word.parse::<u64>().unwrap();
    assert!(late(words[3]) <= late(words[4]) && late(words[4]) <= late(words[5]));

    let memory = answers("builtin", "memory/watch", &[], "10000\n");
    let words: Vec<_> = memory[0].split(' ').collect();
    assert_eq!((words.len(), words[2]), (4, "bytes"), "{memory:?}");
    let bytes: u64 = words[3].parse().unwrap();
    // A callback, an id and a descriptor each, and not a page each.
    assert!((160_000..10_000_000).contains(&bytes), "{bytes}");
}

/// `cargo xtask bench` installs it, and nothing else does.
#[test]
fn libvirtaio_does_what_it_can_where_it_is() {
    let output = bench(&["--quick", "--loop=libvirtaio", "--workload=add-remove/0"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let table = String::from_utf8(output.stdout).unwrap();
    if table.contains("no Python here has libvirtaio") {
        println!("not tested: libvirtaio, which is not installed");
        return;
    }
    for workload in ["ping-pong/0", "ping-pong/1000", "active/64", "cross-thread"] {
        does("libvirtaio", workload);
    }
    for workload in ["add-remove/0", "add-remove/1000", "zero-timer"] {
        does("libvirtaio", workload);
    }
    for workload in KEEPING {
        keeps("libvirtaio", workload);
    }
}

#[test]
fn the_hosts_do_without_libvirt() {
    for r#loop in NATIVE {
        for workload in ["ping-pong/0", "ping-pong/1000", "active/64", "cross-thread"] {
            does(r#loop, workload);
        }
    }
}

#[test]
fn hosts_of_one_thread_are_shared() {
    for r#loop in ["mio", "tokio", "calloop", "glib"] {
        does(r#loop, "fairness");
        does(&format!("{loop}-native"), "fairness");
        for budget in ["1", "3", "32"] {
            does(r#loop, &format!("fairness-budget/{budget}"));
            does(r#loop, &format!("ping-pong-budget/{budget}"));
        }
    }
    does("libvirt-glib", "fairness");
}

/// A child counts what arrives.
#[test]
fn nobody_loses_an_event_of_a_storm() {
    for subscriber in ["raw", "raw-copy", "callback", "any", "stream"] {
        does("builtin", &format!("storm/{subscriber}"));
    }
}

#[test]
fn what_no_loop_can_do_is_an_error() {
    let output = bench(&["--loop=floor", "--workload=fairness"]);
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(message.contains("none of these loops"), "{message}");
}

#[test]
fn the_curve_has_a_point_for_each_budget() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("curve.json");
    let output = bench(&[
        "--quick",
        "--loop=glib,glib-native",
        "--workload=ping-pong/0,ping-pong-budget/3,fairness,fairness-budget/3",
        "--json",
        path.to_str().unwrap(),
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = std::fs::read_to_string(&path).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    let point = &report["budgets"][0];
    assert_eq!(point["loop"], "glib");
    assert_eq!(point["budget"], 3);
    assert!(point["to_host"].as_f64() > Some(0.0), "{text}");
    assert!(point["fairness"].as_f64() > Some(0.0), "{text}");
}

#[test]
fn the_json_holds_what_the_table_shows() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench.json");
    let output = bench(&[
        "--quick",
        "--workload=update-timeout",
        "--json",
        path.to_str().unwrap(),
    ]);
    assert!(output.status.success(), "{}", stderr(&output));

    let text = std::fs::read_to_string(&path).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(report["machine"]["cpus"].as_u64() > Some(0), "{text}");
    assert!(report["date"].as_str().unwrap().ends_with('Z'), "{text}");
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), LOOPS.len());
    let table = String::from_utf8(output.stdout).unwrap();
    for (row, name) in rows.iter().zip(LOOPS) {
        assert_eq!(row["workload"], "update-timeout");
        assert_eq!(row["loop"], name);
        for key in [
            "ns_wall",
            "ns_cpu",
            "spread",
            "to_floor",
            "to_libvirt_default",
        ] {
            assert!(row[key].is_number(), "{key} in {text}");
        }
        let shown = table.lines().find(|line| {
            let mut words = line.split_whitespace();
            (words.next(), words.next()) == (Some("update-timeout"), Some(name))
        });
        assert!(shown.is_some(), "{name} in\n{table}");
    }
    assert_eq!(report["bounds"].as_array().unwrap().len(), 1);
}

#[test]
fn a_ratio_is_left_out_where_its_other_side_was() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("floor.json");
    let output = bench(&[
        "--quick",
        "--workload=update-timeout",
        "--loop=builtin",
        "--json",
        path.to_str().unwrap(),
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains("to_floor"), "{text}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("Bounds"));
}

/// Charts are drawn from it: a key that is renamed breaks them.
#[test]
fn the_json_has_these_keys() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("keys.json");
    let output = bench(&[
        "--quick",
        "--workload=ping-pong/0,zero-timer",
        "--loop=floor,glib,glib-native,libvirt-default",
        "--json",
        path.to_str().unwrap(),
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = std::fs::read_to_string(&path).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    let keys = |value: &serde_json::Value| {
        let object = value.as_object().unwrap();
        object.keys().cloned().collect::<Vec<_>>()
    };
    let top = [
        "bounds",
        "budgets",
        "date",
        "machine",
        "not_measured",
        "rounds",
        "rows",
    ];
    assert_eq!(keys(&report), top);
    let machine = ["cpu", "cpus", "kernel", "libvirt", "load_average", "system"];
    assert_eq!(keys(&report["machine"]), machine);
    let row = |workload: &str, name: &str| {
        let rows = report["rows"].as_array().unwrap();
        let found = rows
            .iter()
            .find(|row| row["workload"] == workload && row["loop"] == name);
        found.unwrap().clone()
    };
    let always = [
        "inconclusive",
        "loop",
        "lowest",
        "ns_cpu",
        "ns_wall",
        "spread",
        "workload",
    ];
    let with = |more: &[&str]| {
        let mut keys: Vec<_> = always
            .iter()
            .chain(more)
            .map(|key| (*key).to_owned())
            .collect();
        keys.sort();
        keys
    };
    let compared = ["to_floor", "to_host", "to_libvirt_default"];
    assert_eq!(keys(&row("ping-pong/0", "glib")), with(&compared));
    let rate = ["per_second", "to_floor", "to_libvirt_default"];
    assert_eq!(keys(&row("zero-timer", "libvirt-default")), with(&rate));
}

/// Where the tests run as root, the program must not be allowed to raise the
/// limit either.
const WITH_FEW_DESCRIPTORS: &str = "\
    ulimit -n 1000
    if (ulimit -n 2000) 2>/dev/null; then
        exec setpriv --bounding-set -sys_resource --inh-caps -sys_resource \"$0\" \"$@\"
    fi
    exec \"$0\" \"$@\"";

#[test]
fn what_cannot_be_done_is_said_once_and_the_rest_is_measured() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("limit.json");
    let output = Command::new("sh")
        .args(["-c", WITH_FEW_DESCRIPTORS])
        .arg(env!("CARGO_BIN_EXE_bench"))
        .args([
            "--quick",
            "--workload=ping-pong/0,ping-pong/10000",
            "--json",
        ])
        .arg(&path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!stderr(&output).contains("error"), "{}", stderr(&output));
    let text = std::fs::read_to_string(&path).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rows = report["rows"].as_array().unwrap();
    let expected = |row: &&serde_json::Value| row["loop"] != "libvirtaio";
    assert_eq!(
        rows.iter().filter(expected).count(),
        LOOPS.len() + NATIVE.len() + 1,
        "and the shared floor"
    );
    let not_measured = report["not_measured"].as_array().unwrap();
    let too_many = |it: &&serde_json::Value| it["workload"] == "ping-pong/10000";
    assert_eq!(not_measured.iter().filter(too_many).count(), 1);
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        table.matches("it needs 10064 descriptors").count(),
        1,
        "{table}"
    );
}

#[test]
fn a_child_that_dies_costs_its_row_and_no_other() {
    let program = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["--quick", "--rounds=100", "--workload=ping-pong/0"])
        .arg("--loop=floor,builtin")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut victim = None;
    wait_until("there is a child for the built-in loop", || {
        victim = children(program.id()).into_iter().find(is_builtin);
        victim.is_some()
    })
    .unwrap();
    let killed = Command::new("kill")
        .args(["-KILL", &victim.unwrap().to_string()])
        .status();
    assert!(killed.unwrap().success());

    let output = program.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("could not be measured: 1"));
    let table = String::from_utf8(output.stdout).unwrap();
    let rows = |name: &str| table.matches(&format!("ping-pong/0  {name} ")).count();
    assert_eq!((rows("floor"), rows("builtin")), (1, 0), "{table}");
    let failed = table
        .lines()
        .filter(|line| line.contains("ping-pong/0 on builtin"));
    assert_eq!(failed.count(), 1, "{table}");
}

fn children(of: u32) -> Vec<u32> {
    let listed = std::fs::read_to_string(format!("/proc/{of}/task/{of}/children"));
    let listed = listed.unwrap_or_default();
    let ids = listed.split_whitespace().map(|id| id.parse().unwrap());
    ids.collect()
}

/// Not before it runs the program.
fn is_builtin(child: &u32) -> bool {
    let line = std::fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).any(|word| word == b"builtin")
}

#[test]
fn a_file_that_cannot_be_written_is_named_before_anything_is_measured() {
    let output = bench(&["--json", "/nonexistent/bench.json"]);
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(message.contains("/nonexistent/bench.json"), "{message}");
    assert!(!message.contains("measuring"), "{message}");
}

#[test]
fn the_help_names_every_option() {
    let output = bench(&["--help"]);
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    for option in ["--quick", "--rounds", "--workload", "--loop", "--json"] {
        assert!(help.contains(option), "{help}");
    }
    assert!(!help.contains("--serve"), "{help}");
}
