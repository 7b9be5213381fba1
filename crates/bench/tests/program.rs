//! The program as its user runs it. What it measures is not looked at: no
//! figure is right or wrong on a machine that runs tests.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Those that do every workload that has nothing to do with sharing.
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

const WORKLOADS: [&str; 10] = [
    "ping-pong/0",
    "ping-pong/100",
    "ping-pong/1000",
    "ping-pong/10000",
    "cross-thread",
    "update-handle",
    "add-remove/0",
    "add-remove/10000",
    "update-timeout",
    "update-timeout-earlier",
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

/// A child checks its own work: that it was called back only for what was
/// ready, and that everything removed was freed.
fn does(r#loop: &str, workload: &str) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["--serve", "--loop", r#loop, "--workload", workload])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut orders = child.stdin.take().unwrap();
    orders.write_all(b"1\n2\n33\n").unwrap();
    drop(orders);
    let output = child.wait_with_output().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{workload} on {loop}: {answers}");
    let mut lines = answers.lines();
    assert_eq!(lines.next(), Some("ready"), "{workload} on {loop}");
    assert_eq!(lines.count(), 3, "{workload} on {loop}: {answers}");
}

#[test]
fn every_loop_does_every_workload() {
    for r#loop in LOOPS {
        for workload in WORKLOADS {
            does(r#loop, workload);
        }
    }
}

#[test]
fn the_hosts_do_without_libvirt() {
    for r#loop in NATIVE {
        for workload in ["ping-pong/0", "ping-pong/1000", "cross-thread"] {
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
    assert_eq!(rows.len(), LOOPS.len() + NATIVE.len());
    assert_eq!(report["not_measured"][0]["workload"], "ping-pong/10000");
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        table.matches("it needs 10064 descriptors").count(),
        1,
        "{table}"
    );
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
