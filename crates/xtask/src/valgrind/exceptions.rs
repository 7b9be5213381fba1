//! What is not run under memcheck, and why.

use std::fmt;

/// Tests that are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exception {
    /// The names of the programs, which may be in several packages.
    pub(super) programs: &'static [&'static str],
    pub(super) what: What,
    pub(super) reason: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// The whole program.
    All,
    /// Tests with one of these in their names.
    Tests(&'static [&'static str]),
}

impl Exception {
    pub(super) fn skipped(&self) -> impl Iterator<Item = &'static str> {
        match self.what {
            What::All => [].iter(),
            What::Tests(names) => names.iter(),
        }
        .copied()
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            What::All => write!(f, "left out: {}", self.reason),
            What::Tests(names) => write!(f, "without {}: {}", names.join(", "), self.reason),
        }
    }
}

/// All of them.
pub(super) const EXCEPTIONS: &[Exception] = &[
    Exception {
        programs: &["xtask", "setup", "streams", "charts"],
        what: What::All,
        reason: "a tool, which runs none of the code in question",
    },
    Exception {
        programs: &[
            "dependency_graph",
            "contract_page",
            "conformance_page",
            "guide",
            "mistakes",
        ],
        what: What::All,
        reason: "it reads files or asks the compiler",
    },
    Exception {
        programs: &["bench", "program", "fairness"],
        what: What::All,
        reason: "it measures time",
    },
    Exception {
        programs: &["allocations", "monitor_memory", "system_calls"],
        what: What::All,
        reason: "it counts what memcheck itself changes: allocations, pages, system calls",
    },
    Exception {
        programs: &[
            "application",
            "attach",
            "attached",
            "blocking",
            "conformance",
            "default_context",
            "drain",
            "drive",
            "host_cases",
            "in_process",
            "install",
            "loop_thread",
            "monitor_close",
            "regressions",
            "runtimes",
            "stream_watch",
            "virt_event",
            "virt_event_loop",
            "virt_event_monitor",
            "virt_event_reactor",
        ],
        what: What::Tests(&["panic"]),
        reason: "a panic's payload is leaked, because what its drop does is anybody's guess",
    },
    Exception {
        programs: &["conformance"],
        what: What::Tests(&["libvirt-default::", "libvirt-glib::"]),
        reason: "the peers are not ours, and some of what they fail is a matter of time",
    },
    Exception {
        programs: &["conformance", "host_cases", "process_cases"],
        what: What::Tests(&["mutant"]),
        reason: "mutants are broken on purpose",
    },
    Exception {
        programs: &["process_cases"],
        what: What::Tests(&["f04"]),
        reason: "it asks the C compiler",
    },
    Exception {
        programs: &["fork_during_install", "fork_in_callback", "monitor_fork"],
        what: What::All,
        reason: "a forked child ends with copies of what only threads of its parent held",
    },
    Exception {
        programs: &["drive", "regressions", "virt_event_reactor"],
        what: What::Tests(&[
            "it_works_where_no_runtime_polls_it",
            "a_number_that_is_reused_within_a_batch",
            "a_turn_that_is_detached_ends_with_its_iteration",
            "a_wake_up_ends_a_turn_with_a_large_budget",
        ]),
        reason: "the test's callback holds the reactor that holds the callback",
    },
    Exception {
        programs: &["stream_watch", "rig_embedded"],
        what: What::Tests(&["drivers_own", "without_user_namespaces", "guest"]),
        reason: "the driver in the process brings half of libvirt's daemon along",
    },
];
