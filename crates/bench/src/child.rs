//! A loop in a process of its own, and what parent and child say to each other.
//!
//! A loop registers with libvirt for the life of its process, so each cell of
//! the table has one. It stays alive over the rounds. The parent writes a
//! number of operations on a line; the child does them and answers with a
//! [`Sample`] on a line, or with `error: ` and what went wrong, and ends then.
//! The end of its input ends the child too.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child as Process, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getcpu, sched_setaffinity};

use crate::contender::Contender;
use crate::host::libvirtaio;
use crate::sample::Sample;
use crate::workload::{Place, Workload};

/// A child that says nothing for so long hangs. To open 500 connections takes
/// a second, and many on a busy machine.
const DEADLINE: Timespec = Timespec {
    tv_sec: 120,
    tv_nsec: 0,
};

/// What a child says once it is set up.
const READY: &str = "ready";

/// What a child that cannot go on says before the reason.
const ERROR: &str = "error: ";

/// Descriptors that a loop may have of its own, the standard ones included.
const RESERVE: u64 = 64;

/// The parent's view of a child.
#[derive(Debug)]
pub(crate) struct Child {
    name: String,
    process: Process,
    /// Closed before the process is waited for; that is what ends it.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Child {
    /// Starts a child and waits until `workload` is set up on `contender`, in
    /// the given place.
    pub(crate) fn start(
        contender: Contender,
        workload: Workload,
        place: Place<'_>,
    ) -> Result<Self> {
        let program = env::current_exe().context("this program cannot find itself")?;
        let mut process = Command::new(program)
            .args(["--serve", "--loop", contender.name(), "--workload"])
            .arg(workload.to_string())
            .args(place.uri.map(|uri| format!("--uri={uri}")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("a child process cannot be started")?;
        let orders = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().expect("it was asked for"));
        let mut child = Self {
            name: format!("{workload} on {contender}"),
            process,
            orders,
            answers,
        };
        let greeting = child.answer()?;
        ensure!(greeting == READY, "{}: it said {greeting:?}", child.name);
        Ok(child)
    }

    /// Lets the child do `operations` of them.
    pub(crate) fn round(&mut self, operations: u64) -> Result<Sample> {
        let orders = self.orders.as_mut().expect("open until the drop");
        writeln!(orders, "{operations}").with_context(|| format!("{}: it is gone", self.name))?;
        let answer = self.answer()?;
        answer
            .parse()
            .with_context(|| format!("{}: it said {answer:?}", self.name))
    }

    /// One line, without its end.
    fn answer(&mut self) -> Result<String> {
        // One line answers one order, hence nothing is left in the buffer that
        // the poll would not see.
        let mut fds = [PollFd::new(self.answers.get_ref(), PollFlags::IN)];
        if poll(&mut fds, Some(&DEADLINE))? == 0 {
            bail!("{}: no answer within {} s", self.name, DEADLINE.tv_sec);
        }
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        if line.is_empty() {
            let status = self.process.wait()?;
            bail!("{}: the child ended early ({status})", self.name);
        }
        let line = line.trim_end();
        if let Some(reason) = line.strip_prefix(ERROR) {
            bail!("{}: {reason}", self.name);
        }
        Ok(line.to_owned())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.orders.take();
        // It waits for orders, or hangs; either way it has nothing to save.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The child's side: sets the workload up, and heeds orders until they end.
///
/// # Errors
///
/// - Whatever went wrong, after the parent was told.
pub(crate) fn serve(contender: Contender, workload: Workload, place: Place<'_>) -> Result<()> {
    let mut answers = io::stdout().lock();
    heed(contender, workload, place, &mut answers).inspect_err(|error| {
        // The parent may be gone, and then nobody wants to know.
        let _ = writeln!(answers, "{ERROR}{error:#}");
    })
}

fn heed(
    contender: Contender,
    workload: Workload,
    place: Place<'_>,
    answers: &mut impl Write,
) -> Result<()> {
    allow_descriptors(needed(workload))?;
    if workload.needs_one_processor() {
        stay_here()?;
    }
    if contender == Contender::Libvirtaio {
        // It heeds the orders in the place of this program.
        return Err(libvirtaio::replace_this_by(workload));
    }
    let mut rounds = contender.prepare(workload, place)?;
    writeln!(answers, "{READY}")?;
    for order in io::stdin().lock().lines() {
        let operations = order?.parse().context("an order is a number")?;
        let sample = rounds.round(operations)?;
        writeln!(answers, "{sample}")?;
    }
    Ok(())
}

/// Keeps this thread, and those that it starts, on the processor that it runs
/// on.
fn stay_here() -> Result<()> {
    let mut here = CpuSet::new();
    here.set(sched_getcpu());
    sched_setaffinity(None, &here).context("the process cannot be kept on one processor")
}

/// Whether the children of this process may have the descriptors that
/// `workload` needs.
///
/// # Errors
///
/// - They may not; the message says how many they need.
pub(crate) fn can_have_descriptors(workload: Workload) -> Result<()> {
    let before = getrlimit(Resource::Nofile);
    allow_descriptors(needed(workload))?;
    // Each child raises its own.
    setrlimit(Resource::Nofile, before).context("a limit cannot be restored")
}

fn needed(workload: Workload) -> u64 {
    u64::from(workload.descriptors()) + RESERVE
}

/// Raises this process's limit on descriptors to `needed`, where it is lower.
fn allow_descriptors(needed: u64) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= needed);
    if enough(limit.current) {
        return Ok(());
    }
    let maximum = if enough(limit.maximum) {
        limit.maximum
    } else {
        Some(needed)
    };
    let raised = Rlimit {
        current: Some(needed),
        maximum,
    };
    setrlimit(Resource::Nofile, raised).with_context(|| {
        format!("it needs {needed} descriptors; raise the hard limit (ulimit -Hn)")
    })
}
