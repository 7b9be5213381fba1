//! Processor time.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Pid;
use rustix::time::{ClockId, clock_gettime};

/// Of the calling thread.
pub(crate) fn of_thread() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime)
        .try_into()
        .expect("processor time is not negative")
}

/// Of all threads of a process that have not ended. What a thread has used since
/// the kernel's last look at it, a few milliseconds, is missing.
pub(crate) fn of_process(pid: Pid) -> Result<Duration> {
    let mut sum = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let file = thread?.path().join("schedstat");
        // The thread may just have ended.
        let Ok(text) = fs::read_to_string(file) else {
            continue;
        };
        let nanoseconds = text.split(' ').next().unwrap_or_default();
        let nanoseconds = nanoseconds.parse();
        sum += Duration::from_nanos(nanoseconds.context("this kernel has no schedstat")?);
    }
    Ok(sum)
}

/// Waits until a process uses no more processor time to speak of.
pub(crate) fn wait_until_idle(pid: Pid) -> Result<()> {
    const LOOK: Duration = Duration::from_millis(20);
    const LOOKS: u32 = 3_000;
    let mut before = of_process(pid)?;
    let mut quiet = 0;
    for _ in 0..LOOKS {
        thread::sleep(LOOK);
        let now = of_process(pid)?;
        // A timer or two of its own.
        let is_quiet = now.saturating_sub(before) < LOOK / 100;
        quiet = if is_quiet { quiet + 1 } else { 0 };
        if quiet == 3 {
            return Ok(());
        }
        before = now;
    }
    bail!("process {pid} is never idle")
}
