//! L1 to L5: waking and stopping, draining, changing drivers, what is counted
//! and reported.

mod detach;
mod drain;
mod drivers;
mod stats;
mod wake;

use std::time::Duration;

use virt_event::{HandleEvents, Period};

use crate::fixtures::eventfd;
use crate::mutants::lifecycle as mutants;
use crate::{Capabilities, Case, Config, Exam, Mutant};

/// A callback of 20 ms is slow.
fn impatient() -> Config {
    Config {
        slow_callback: Duration::from_millis(20),
        ..unhurried()
    }
}

/// Nothing is slow, and nothing is overdue.
fn unhurried() -> Config {
    const HOUR: Duration = Duration::from_secs(3600);
    Config {
        slow_callback: HOUR,
        stall_after: HOUR,
        ..Config::default()
    }
}

/// So that no id is a digit that turns up by chance.
fn use_up_ids(exam: &Exam) {
    let source = eventfd();
    for _ in 0..40 {
        let watched = exam.watch(&source, HandleEvents::empty());
        exam.remove(watched.id);
        let timed = exam.timer(Period::DISABLED);
        exam.remove_timer(timed.id);
    }
    exam.iterate(1);
}

pub(super) const CASES: &[Case] = &[
    Case::new(
        "l01_wake_ends_a_turn",
        wake::wake_ends_a_turn,
        Mutant::broken("wake does nothing", mutants::wake_does_nothing),
    )
    .needs(Capabilities::WAKE),
    Case::new(
        "l01_wake_before_the_turn_counts",
        wake::wake_before_the_turn,
        Mutant::broken(
            "wake is lost unless a turn sleeps",
            mutants::wake_is_not_sticky,
        ),
    )
    .needs(Capabilities::WAKE),
    Case::new(
        "l01_wake_does_not_end_run",
        wake::wake_does_not_end_run,
        Mutant::broken("wake stops", mutants::wake_stops),
    )
    .needs(Capabilities::WAKE.union(Capabilities::RUN)),
    Case::new(
        "l01_stop_ends_run",
        wake::stop_ends_run,
        Mutant::broken(
            "stop is not heard by a loop that sleeps",
            mutants::deaf_asleep,
        ),
    )
    .needs(Capabilities::RUN),
    Case::new(
        "l01_stop_before_run_counts",
        wake::stop_before_run,
        Mutant::broken(
            "stop is lost unless the loop runs",
            mutants::stop_is_not_sticky,
        ),
    )
    .needs(Capabilities::RUN),
    Case::new(
        "l01_stop_inside_a_callback",
        wake::stop_inside_a_callback,
        Mutant::broken(
            "stop is lost on the loop's own thread",
            mutants::deaf_to_itself,
        ),
    )
    .needs(Capabilities::RUN),
    Case::new(
        "l01_stop_counts_once",
        wake::stop_counts_once,
        Mutant::broken("stop ends every later run", mutants::stops_for_ever),
    )
    .needs(Capabilities::RUN),
    Case::new(
        "l02_drain_of_nothing",
        drain::of_nothing,
        Mutant::broken("drain fails always", mutants::drain_fails),
    )
    .needs(Capabilities::DRAIN),
    Case::new(
        "l02_drain_waits_for_pending_frees",
        drain::pending_frees,
        Mutant::broken("drain does not wait for frees", mutants::drain_does_nothing),
    )
    .needs(Capabilities::DRAIN),
    Case::new(
        "l02_drain_runs_callbacks_that_remove_everything",
        drain::callbacks_that_remove,
        Mutant::broken("drain takes a single turn", mutants::drain_turns_once),
    )
    .needs(Capabilities::DRAIN),
    Case::new(
        "l02_drain_outlasts_frees_that_change_things",
        drain::frees_that_change_things,
        Mutant::broken("drain takes a single turn", mutants::drain_turns_once),
    )
    .needs(Capabilities::DRAIN),
    Case::new(
        "l02_drain_names_what_is_left",
        drain::names_what_is_left,
        Mutant::broken("drain only says how many are left", mutants::drain_counts),
    )
    .needs(Capabilities::DRAIN),
    Case::new(
        "l02_drain_waits_for_its_deadline",
        drain::deadline_is_not_early,
        Mutant::broken("drain gives up early", mutants::drain_gives_up),
    )
    .needs(Capabilities::DRAIN),
    Case::new(
        "l02_drain_ends_although_a_zero_timer_fires",
        drain::deadline_with_a_zero_timer,
        Mutant::broken(
            "drain looks at the clock only when the loop has nothing to do",
            mutants::drain_ignores_the_clock,
        ),
    )
    .needs(Capabilities::DRAIN),
    Case::new(
        "l02_drain_leaves_what_it_cannot_end",
        drain::leaves_the_rest,
        Mutant::broken("drain removes what is left", mutants::drain_removes),
    )
    .needs(Capabilities::DRAIN),
    Case::new(
        "l02_drain_without_a_driver",
        drain::without_a_driver,
        Mutant::broken("drain needs a driver", mutants::drain_needs_a_driver),
    )
    .needs(Capabilities::DRAIN.union(Capabilities::DETACH)),
    Case::new(
        "l03_pending_frees_survive_a_detach",
        detach::pending_frees,
        Mutant::broken(
            "a detach forgets what is to be freed",
            mutants::detach_forgets_frees,
        ),
    )
    .needs(Capabilities::DETACH),
    Case::new(
        "l03_due_timers_survive_a_detach",
        detach::due_timers,
        Mutant::broken("a detach disables timers", mutants::detach_disables_timers),
    )
    .needs(Capabilities::DETACH),
    Case::new(
        "l03_ready_descriptors_survive_a_detach",
        detach::ready_descriptors,
        Mutant::broken("a detach parks watches", mutants::detach_parks_watches),
    )
    .needs(Capabilities::DETACH),
    Case::new(
        "l03_another_thread_takes_over",
        detach::another_thread_takes_over,
        Mutant::broken("the second driver does nothing", mutants::idle_driver),
    )
    .needs(Capabilities::DETACH),
    Case::new(
        "l03_drivers_take_turns",
        detach::drivers_take_turns,
        Mutant::broken("only the first attaches succeed", mutants::attaches_run_out),
    )
    .needs(Capabilities::DETACH),
    Case::new(
        "l04_counts_what_is_registered",
        stats::registered,
        Mutant::broken("timers count as watches", mutants::timers_are_watches),
    )
    .needs(Capabilities::STATS),
    Case::new(
        "l04_counts_pending_frees",
        stats::pending_frees,
        Mutant::broken("no free is ever pending", mutants::frees_do_not_count),
    )
    .needs(Capabilities::STATS),
    Case::new(
        "l04_counts_callbacks",
        stats::callbacks,
        Mutant::broken("callbacks are not counted", mutants::callbacks_do_not_count),
    )
    .needs(Capabilities::STATS),
    Case::new(
        "l04_counts_turns_and_iterations",
        stats::turns,
        Mutant::broken(
            "iterations are counted twice",
            mutants::iterations_count_twice,
        ),
    )
    .needs(Capabilities::STATS.union(Capabilities::COUNTED)),
    Case::new(
        "l04_measures_the_longest_callback",
        stats::longest_callback,
        Mutant::broken("nothing is measured", mutants::nothing_is_measured),
    )
    .needs(Capabilities::STATS),
    Case::new(
        "l04_reports_a_slow_watch",
        stats::slow_watch,
        Mutant::broken("slow callbacks are not reported", mutants::never_slow),
    )
    .needs(Capabilities::LOGS)
    .config(impatient),
    Case::new(
        "l04_reports_a_slow_timer_once",
        stats::slow_timer_once,
        Mutant::broken(
            "every slow call is reported",
            mutants::reports_every_slow_call,
        ),
    )
    .needs(Capabilities::LOGS)
    .config(impatient),
    Case::new(
        "l04_does_not_report_quick_callbacks",
        stats::quick_callbacks,
        Mutant::broken("every callback is slow", mutants::always_slow),
    )
    .needs(Capabilities::LOGS)
    .config(unhurried),
    Case::new(
        "l04_counts_warnings",
        stats::warnings,
        Mutant::broken("warnings are not counted", mutants::warnings_do_not_count),
    )
    .needs(Capabilities::STATS.union(Capabilities::LOGS))
    .config(impatient),
    Case::new(
        "l05_second_driver_is_refused",
        drivers::second_is_refused,
        Mutant::broken(
            "a second driver replaces the first",
            mutants::second_driver_replaces,
        ),
    )
    .needs(Capabilities::DETACH),
    Case::new(
        "l05_attach_during_another_turn_is_refused",
        drivers::attach_during_another_turn,
        Mutant::broken("every attach succeeds", mutants::every_attach_succeeds),
    )
    .needs(Capabilities::DETACH),
];
