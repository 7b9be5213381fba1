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
    /// Not the tests, but the search for leaks in those with this in their
    /// names.
    LeaksOf(&'static str),
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            What::All => write!(f, "left out: {}", self.reason),
            What::Tests(names) => write!(f, "without {}: {}", names.join(", "), self.reason),
            What::LeaksOf("") => write!(f, "errors only, no leaks: {}", self.reason),
            What::LeaksOf(name) => write!(f, "no leaks of {name}: {}", self.reason),
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
        ],
        what: What::All,
        reason: "it reads files or asks the compiler",
    },
    Exception {
        programs: &["bench", "program"],
        what: What::All,
        reason: "it measures time",
    },
    Exception {
        programs: &["monitor_memory"],
        what: What::All,
        reason: "it measures C's heap, which memcheck replaces",
    },
    Exception {
        programs: &["conformance"],
        what: What::Tests(&["libvirt-default::", "libvirt-glib::"]),
        reason: "the peers are not ours, and some of what they fail is a matter of time",
    },
    Exception {
        programs: &["conformance"],
        what: What::Tests(&["mio::", "calloop::"]),
        reason: "each of a thousand cases is a process, which takes seconds to start; these \
                 adapters have no unsafe code, and their reactor is the built-in loop's",
    },
    Exception {
        programs: &["conformance"],
        what: What::Tests(&["h07_fd_over_the_limit"]),
        reason: "valgrind keeps the limit on open files to itself, and the kernel's is another",
    },
    Exception {
        programs: &["conformance"],
        what: What::LeaksOf("x03_drop_in_the_child"),
        reason: "what a forked child drops does nothing there, so as to leave the parent's alone",
    },
    Exception {
        programs: &["conformance", "host_cases", "process_cases"],
        what: What::Tests(&["mutant"]),
        reason: "mutants are broken on purpose",
    },
    Exception {
        programs: &["mistakes"],
        what: What::Tests(&["a_panic_ends_a_task"]),
        reason: "its panics' payloads are its own, and leaked on purpose like all",
    },
    Exception {
        programs: &["fork_during_install", "fork_in_callback", "monitor_fork"],
        what: What::LeaksOf(""),
        reason: "a forked child ends with copies of what only threads of its parent held",
    },
    Exception {
        programs: &["stack"],
        what: What::LeaksOf("fork::"),
        reason: "a forked child ends with copies of what only threads of its parent held",
    },
    Exception {
        programs: &["host_cases"],
        what: What::LeaksOf("in_a_forked_child"),
        reason: "what a forked child drops does nothing there, so as to leave the parent's alone",
    },
];
