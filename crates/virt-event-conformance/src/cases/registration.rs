//! R3 and R5, and what H7 says about the log. (R1, R2 and R4 are about libvirt
//! itself, and are examined where it is linked.)

mod host_gone;
mod refused;
mod stalled;

use std::time::Duration;

use crate::mutants::{lifecycle as mutants, threads};
use crate::{Capabilities, Case, Config, Mutant};

/// How long work may lie undone in the cases of R5.
const STALL: Duration = Duration::from_millis(50);

/// The same, where the case itself must not be held up for that long.
const LONG_STALL: Duration = Duration::from_millis(600);

fn stalling() -> Config {
    Config {
        slow_callback: Duration::from_secs(3600),
        stall_after: STALL,
        ..Config::default()
    }
}

fn long_stalling() -> Config {
    Config {
        stall_after: LONG_STALL,
        ..stalling()
    }
}

const SILENT: Mutant = Mutant::broken("it never warns", mutants::silent);

const NERVOUS: Mutant = Mutant::broken(
    "it warns when no turn has ended for a while, whatever there is to do",
    mutants::nervous,
);

const FORGETFUL: Mutant = Mutant::broken(
    "it warns although it has run in between",
    mutants::forgetful,
);

pub(super) const CASES: &[Case] = &[
    Case::new(
        "r03_adds_succeed_without_a_driver",
        host_gone::adds_succeed,
        Mutant::broken(
            "adds are refused without a driver",
            mutants::adds_need_a_driver,
        ),
    )
    .needs(Capabilities::DETACH),
    Case::new(
        "r03_another_host_serves_what_was_added",
        host_gone::another_host_serves,
        Mutant::broken(
            "what is registered or changed without a driver stays parked",
            threads::gated_without_driver,
        ),
    )
    .needs(Capabilities::DETACH),
    Case::new(
        "r03_bad_descriptors_are_refused_without_a_driver",
        host_gone::bad_descriptors,
        Mutant::broken(
            "an add without a driver succeeds whatever the descriptor",
            mutants::adds_blindly_without_a_driver,
        ),
    )
    .needs(Capabilities::DETACH),
    Case::new("r05_overdue_timer", stalled::overdue_timer, SILENT)
        .needs(Capabilities::LOGS)
        .config(stalling),
    Case::new("r05_pending_free", stalled::pending_free, SILENT)
        .needs(Capabilities::LOGS)
        .config(stalling),
    Case::new("r05_ready_descriptor", stalled::ready_descriptor, SILENT)
        .needs(Capabilities::LOGS)
        .config(stalling),
    Case::new("r05_noticed_by_stats", stalled::noticed_by_stats, SILENT)
        .needs(Capabilities::LOGS.union(Capabilities::STATS))
        .config(stalling),
    Case::new(
        "r05_warns_once",
        stalled::warns_once,
        Mutant::broken("it warns at every call", mutants::nagging),
    )
    .needs(Capabilities::LOGS)
    .config(stalling),
    Case::new(
        "r05_warns_again_after_it_ran",
        stalled::warns_again,
        Mutant::broken(
            "it warns once in the life of the process",
            mutants::warns_once,
        ),
    )
    .needs(Capabilities::LOGS)
    .config(stalling),
    Case::new(
        "r05_healthy_with_nothing_due",
        stalled::healthy_with_nothing_due,
        NERVOUS,
    )
    .needs(Capabilities::LOGS)
    .config(stalling),
    Case::new(
        "r05_healthy_while_asleep_in_a_turn",
        stalled::healthy_while_asleep,
        NERVOUS,
    )
    .needs(Capabilities::LOGS)
    .config(stalling),
    Case::new(
        "r05_healthy_while_a_callback_blocks",
        stalled::healthy_while_a_callback_blocks,
        NERVOUS,
    )
    .needs(Capabilities::LOGS)
    .config(stalling),
    Case::new(
        "r05_healthy_while_it_runs",
        stalled::healthy_while_it_runs,
        FORGETFUL,
    )
    .needs(Capabilities::LOGS)
    .config(long_stalling),
    Case::new(
        "r05_healthy_while_frees_keep_coming",
        stalled::healthy_while_frees_keep_coming,
        FORGETFUL,
    )
    .needs(Capabilities::LOGS)
    .config(long_stalling),
    Case::new(
        "h07_log_names_fd_and_errno",
        refused::log_names_fd_and_errno,
        Mutant::broken("refusals are logged as warnings", mutants::refuses_mildly),
    )
    .needs(Capabilities::LOGS),
    Case::new(
        "h07_acceptance_is_not_logged",
        refused::accepted,
        Mutant::broken("every add is logged as an error", mutants::complains),
    )
    .needs(Capabilities::LOGS),
];
