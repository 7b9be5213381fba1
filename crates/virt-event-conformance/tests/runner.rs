//! The runner tells apart the ways in which a child can end, and leaves
//! nothing behind.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::parent_id;
use std::path::PathBuf;
use std::process::{self, Command, ExitCode, Stdio};
use std::time::Duration;
use std::{env, thread};

use libtest_mimic::{Arguments, Failed, Trial};
use virt_event_conformance::cases::cases;
use virt_event_conformance::fixtures::wait_until;
use virt_event_conformance::{
    Config, Factory, Implementation, Limits, Outcome, Subject, child_main, run_attempts, run_case,
};

/// Makes this program run a case that hangs, and be killed meanwhile.
const DOOMED: &str = "VIRT_EVENT_CONFORMANCE_TEST_DOOMED";

/// Subjects that never come to take a case.
const MAKERS: &[Implementation] = &[
    maker("hangs", |_| hang("hangs")),
    maker("aborts", |_| process::abort()),
    maker("panics", |_| panic!("the subject could not be made")),
    maker("exits", |_| process::exit(0)),
    maker("exits with 7", |_| process::exit(7)),
    maker("floods", floods),
    maker("has a child", has_a_child),
    maker("alternates", alternates),
    maker("lives on", |_| hang("lives on")),
];

const fn maker(name: &'static str, factory: Factory) -> Implementation {
    Implementation { name, factory }
}

fn main() -> ExitCode {
    child_main(MAKERS);
    if env::var_os(DOOMED).is_some() {
        run("lives on", LONG);
        return ExitCode::SUCCESS;
    }
    let trials = vec![
        expect("a_hang_is_ended", "hangs", SHORT, "hang"),
        expect("a_signal_is_named", "aborts", LONG, "killed by SIGABRT"),
        expect("a_panic_is_quoted", "panics", LONG, "could not be made"),
        expect("an_early_exit_is_no_pass", "exits", LONG, "before the case"),
        expect("a_status_is_named", "exits with 7", LONG, "exit status: 7"),
        expect("a_flood_blocks_nobody", "floods", LONG, "SIGABRT"),
        Trial::test("attempts_that_differ_are_unstable", attempts_that_differ),
        Trial::test("a_grandchild_dies", a_grandchild_dies),
        Trial::test("a_child_dies_with_its_parent", a_child_dies_with_its_parent),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

const SHORT: Limits = Limits {
    patience: Duration::from_secs(1),
    deadline: Duration::from_millis(500),
};

const LONG: Limits = Limits {
    patience: Duration::from_secs(1),
    deadline: Duration::from_secs(60),
};

/// A test that the outcome with a maker says this.
fn expect(name: &'static str, maker: &'static str, limits: Limits, words: &'static str) -> Trial {
    Trial::test(name, move || {
        let outcome = run(maker, limits);
        forget(process::id(), maker);
        if outcome.to_string().contains(words) {
            Ok(())
        } else {
            Err(outcome.to_string().into())
        }
    })
}

fn run(maker: &str, limits: Limits) -> Outcome {
    run_case(find(maker), cases().next().expect("a case"), limits)
}

fn find(maker: &str) -> &'static Implementation {
    MAKERS.iter().find(|it| it.name == maker).expect("a maker")
}

fn attempts_that_differ() -> Result<(), Failed> {
    let case = cases().next().expect("a case");
    // The first has to end by itself in that time, under memcheck too, which
    // `cargo xtask valgrind` says. The other waits for the end of it.
    let slower = env::var("VIRT_EVENT_SLOWER").ok();
    let slower = slower.and_then(|factor| factor.parse().ok()).unwrap_or(1);
    let limits = Limits {
        deadline: Duration::from_secs(2) * slower,
        ..SHORT
    };
    let outcome = run_attempts(find("alternates"), case, limits, 2);
    forget(process::id(), "alternates");
    match &outcome {
        Outcome::Unstable(attempts) if attempts.len() == 2 => Ok(()),
        _ => Err(outcome.to_string().into()),
    }
}

fn a_grandchild_dies() -> Result<(), Failed> {
    run("has a child", LONG);
    let grandchildren = noted(process::id(), "has a child");
    forget(process::id(), "has a child");
    assert_eq!(grandchildren.len(), 1);
    wait_until("the death of the grandchild", || is_dead(grandchildren[0]));
    Ok(())
}

fn a_child_dies_with_its_parent() -> Result<(), Failed> {
    let mut parent = Command::new(env::current_exe()?)
        .env(DOOMED, "1")
        .stdin(Stdio::null())
        .spawn()?;
    wait_until("the child's number", || {
        !noted(parent.id(), "lives on").is_empty()
    });
    let children = noted(parent.id(), "lives on");
    assert!(!is_dead(children[0]));
    parent.kill()?;
    parent.wait()?;
    forget(parent.id(), "lives on");
    wait_until("the death of the child", || is_dead(children[0]));
    Ok(())
}

fn hang(maker: &str) -> ! {
    note(maker, process::id());
    loop {
        thread::park();
    }
}

fn floods(_: &Config) -> Box<dyn Subject> {
    let line = "x".repeat(1000);
    for _ in 0..2000 {
        eprintln!("{line}");
        println!("{line}");
    }
    process::abort()
}

fn has_a_child(_: &Config) -> Box<dyn Subject> {
    let child = Command::new("sleep").arg("1000").spawn();
    note("has a child", child.expect("start sleep").id());
    process::abort()
}

/// Aborts, and the next time hangs.
fn alternates(_: &Config) -> Box<dyn Subject> {
    if noted(parent_id(), "alternates").is_empty() {
        note("alternates", process::id());
        process::abort()
    }
    hang("alternates")
}

/// Where the children of a process leave numbers.
fn notes(parent: u32, maker: &str) -> PathBuf {
    env::temp_dir().join(format!("virt-event-runner-{parent}-{maker}"))
}

/// Leaves the number of a process for the parent.
fn note(maker: &str, pid: u32) {
    let path = notes(parent_id(), maker);
    let file = File::options().create(true).append(true).open(path);
    writeln!(file.expect("open the notes"), "{pid}").expect("write a note");
}

/// The numbers that the children of a process have left.
fn noted(parent: u32, maker: &str) -> Vec<u32> {
    let text = fs::read_to_string(notes(parent, maker)).unwrap_or_default();
    // The last line may be half-written.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().filter_map(|line| line.parse().ok()).collect()
}

fn forget(parent: u32, maker: &str) {
    let _ = fs::remove_file(notes(parent, maker));
}

/// Whether a process is gone, or waits for somebody to notice that it is.
fn is_dead(pid: u32) -> bool {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat
            .rsplit(") ")
            .next()
            .is_some_and(|it| it.starts_with('Z')),
        Err(_) => true,
    }
}
