//! X1 to X4: threads, fork, process exit.

mod asleep;
mod awake;
mod crowd;
mod exit;
mod fork;
mod forked_child;

pub(super) use self::asleep::{LoopThread, act_while_asleep};
pub(super) use self::awake::{EveryCall, turn_driver_until};
use crate::mutants::threads as mutants;
use crate::{Capabilities, Case, Mutant};

const DEFERRED: Mutant = Mutant::broken(
    "a call from another thread takes effect when the turn is over",
    mutants::deferred,
);

pub(super) const CASES: &[Case] = &[
    Case::new(
        "x01_handle_added_while_asleep",
        asleep::handle_added,
        DEFERRED,
    ),
    Case::new(
        "x01_handle_updated_while_asleep",
        asleep::handle_updated,
        DEFERRED,
    ),
    Case::new(
        "x01_handle_parked_while_asleep",
        asleep::handle_parked,
        DEFERRED,
    ),
    Case::new(
        "x01_handle_removed_while_asleep",
        asleep::handle_removed,
        DEFERRED,
    ),
    Case::new(
        "x01_timer_added_while_asleep",
        asleep::timer_added,
        DEFERRED,
    ),
    Case::new(
        "x01_timer_updated_while_asleep",
        asleep::timer_updated,
        DEFERRED,
    ),
    Case::new(
        "x01_timer_disabled_while_asleep",
        asleep::timer_disabled,
        DEFERRED,
    ),
    Case::new(
        "x01_timer_removed_while_asleep",
        asleep::timer_removed,
        DEFERRED,
    ),
    Case::new(
        "x01_calls_before_the_first_turn",
        awake::before_the_first_turn,
        Mutant::broken(
            "what is registered or changed before the first turn stays parked",
            mutants::gated_until_first_turn,
        ),
    ),
    Case::new(
        "x01_calls_while_detached",
        awake::while_detached,
        Mutant::broken(
            "what is registered or changed without a driver stays parked",
            mutants::gated_without_driver,
        ),
    )
    .needs(Capabilities::DETACH),
    Case::new(
        "x01_calls_while_a_callback_runs",
        awake::while_a_callback_runs,
        Mutant::broken("a lock is held while a callback runs", mutants::locked),
    ),
    Case::new(
        "x02_eight_threads",
        crowd::eight_threads,
        Mutant::broken(
            "one removed callback in a hundred is never freed",
            mutants::leaking,
        ),
    ),
    Case::new(
        "x02_eight_threads_on_the_same_ids",
        crowd::same_ids,
        Mutant::broken(
            "a callback that is not running is freed by the thread that removes it",
            mutants::frees_in_place,
        ),
    ),
    Case::new(
        "x02_one_removal_wins",
        crowd::one_removal_wins,
        Mutant::broken("every removal succeeds", mutants::every_removal_succeeds),
    ),
    Case::new(
        "x03_adds_in_the_child_are_refused",
        fork::adds,
        Mutant::broken("adds succeed in the child", mutants::inherited),
    )
    .needs(Capabilities::FORK),
    Case::new(
        "x03_changes_in_the_child_stay_there",
        fork::changes,
        Mutant::broken("the child's changes reach the parent", mutants::inherited),
    )
    .needs(Capabilities::FORK),
    Case::new(
        "x03_epoll_set_survives_the_child",
        fork::epoll_set,
        Mutant::broken(
            "the child's changes reach the parent's epoll set",
            mutants::inherited_set,
        ),
    )
    .needs(Capabilities::FORK.union(Capabilities::EPOLL)),
    Case::new(
        "x03_turns_in_the_child_do_nothing",
        fork::turns,
        Mutant::broken("a turn in the child calls callbacks", mutants::inherited),
    )
    .needs(Capabilities::FORK),
    Case::new(
        "x03_guards_dropped_in_the_child",
        fork::guards,
        Mutant::broken("the child's removals reach the parent", mutants::inherited),
    )
    .needs(Capabilities::FORK),
    Case::new(
        "x03_detach_in_the_child",
        fork::detach,
        Mutant::broken(
            "a detach in the child reaches the parent",
            mutants::inherited,
        ),
    )
    .needs(Capabilities::FORK.union(Capabilities::DETACH)),
    Case::new(
        "x03_driver_dropped_in_the_child",
        fork::driver_dropped,
        Mutant::broken(
            "a driver that is dropped in the child is gone in the parent",
            mutants::inherited,
        ),
    )
    .needs(Capabilities::FORK.union(Capabilities::DETACH)),
    Case::new(
        "x03_drop_in_the_child_frees_nothing",
        fork::dropped,
        Mutant::broken("a drop in the child frees callbacks", mutants::inherited),
    )
    .needs(Capabilities::FORK.union(Capabilities::DROP)),
    Case::new(
        "x03_descriptors_are_close_on_exec",
        fork::close_on_exec,
        Mutant::broken("a descriptor stays open across exec", mutants::open_on_exec),
    ),
    Case::new(
        "x04_exit_while_the_loop_turns",
        exit::while_the_loop_turns,
        Mutant::broken(
            "a thread-local has a destructor that needs the loop to be at rest",
            mutants::departing,
        ),
    ),
    Case::new(
        "x04_exit_inside_a_callback",
        exit::inside_a_callback,
        Mutant::broken(
            "a thread-local has a destructor that needs the loop to be at rest",
            mutants::departing,
        ),
    ),
];
