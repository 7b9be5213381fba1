//! What the implementations do that are not expected to pass everything, and
//! why. A result that is not listed here is a test failure, and so is a pass
//! that is.

use virt_event_conformance::{Case, Outcome};

use crate::implementations::{Examined, Standing};

/// One listed gap.
#[derive(Clone, Copy, Debug)]
pub struct Gap {
    /// The implementation's name.
    pub implementation: &'static str,
    /// The case's name.
    pub case: &'static str,
    /// What happens.
    pub kind: Kind,
    /// Why.
    pub reason: &'static str,
}

/// What happens in place of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It fails a check.
    Fail,
    /// It does not end.
    Hang,
    /// Now this, now that.
    Unstable,
    /// The host forbids what the case needs.
    NotApplicable,
}

impl Kind {
    /// As in the table.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Hang => "hang",
            Self::Unstable => "unstable",
            Self::NotApplicable => "n/a",
        }
    }

    /// Whether this is what happened. Attempts at something unstable may
    /// happen to agree.
    fn allows(self, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::NotApplicable(_) => self == Self::NotApplicable,
            outcome => self == Self::Unstable || self.word() == outcome.word(),
        }
    }
}

/// The gap that is listed for a case.
pub fn gap(implementation: &str, case: &str) -> Option<&'static Gap> {
    GAPS.iter()
        .find(|gap| gap.implementation == implementation && gap.case == case)
}

/// What the table says about an outcome, or why it is unexpected.
///
/// # Errors
///
/// - The outcome is not what is expected, in words.
pub fn judge(examined: &Examined, case: &Case, outcome: &Outcome) -> Result<&'static str, String> {
    match (gap(examined.implementation.name, case.name), outcome) {
        (Some(gap), outcome) if gap.kind.allows(outcome) => Ok(gap.kind.word()),
        (Some(gap), outcome) => Err(format!(
            "{outcome}\nbut tests/src/expected.rs lists {}: {}",
            gap.kind.word(),
            gap.reason
        )),
        (None, Outcome::Pass) => Ok(outcome.word()),
        (None, Outcome::NotApplicable(_)) if examined.standing == Standing::Peer => {
            Ok(outcome.word())
        }
        (None, outcome) => Err(outcome.to_string()),
    }
}

/// Every gap.
pub const GAPS: &[Gap] = &[
    libvirt_default("h04_added_with_zero_is_validated", ANY_NUMBER),
    libvirt_default("h07_negative_fd_is_refused", ANY_NUMBER),
    libvirt_default("h07_closed_fd_is_refused", ANY_NUMBER),
    libvirt_default("h07_fd_over_the_limit_is_refused", ANY_NUMBER),
    libvirt_default("h07_callback_comes_back", ANY_NUMBER),
    libvirt_default("h07_error_names_fd_and_errno", ANY_NUMBER),
    libvirt_default("c06_rejected_add_frees_nothing", ANY_NUMBER),
    libvirt_default("c06_rejected_inside_a_callback_and_a_free", ANY_NUMBER),
    libvirt_default("h02_only_unknown_bits_is_nothing", UNKNOWN_BITS),
    libvirt_default("h06_parked_when_closed", CLOSED),
    libvirt_default("h08_closed_while_watched", CLOSED),
    libvirt_default("h08_closed_can_be_updated", CLOSED),
    libvirt_default("h08_number_used_again", BY_NUMBER),
    libvirt_default("h08_number_taken_by_dup2", BY_NUMBER),
    libvirt_default("h08_updating_the_old_leaves_the_new", BY_NUMBER),
    libvirt_default("t04_zero_timer_delays_no_free", IDLE_TIMER_FREES),
    libvirt_default(
        "c03_a_free_removes_a_watch_and_closes_its_fd",
        IDLE_TIMER_FREES,
    ),
    libvirt_default("c05_freed_while_a_zero_timer_is_armed", IDLE_TIMER_FREES),
    libvirt_default("c05_freed_while_a_descriptor_stays_ready", IDLE_TIMER_FREES),
    libvirt_default("c05_many_frees_at_once", IDLE_TIMER_FREES),
    libvirt_default(
        "c08_watch_that_always_panics_starves_nobody",
        IDLE_TIMER_FREES,
    ),
    libvirt_default(
        "c08_timer_that_always_panics_starves_nobody",
        IDLE_TIMER_FREES,
    ),
    libvirt_default(
        "c08_several_that_always_panic_starve_nobody",
        IDLE_TIMER_FREES,
    ),
    libvirt_default("t02_next_deadline_counts_from_the_call", FROM_THE_ITERATION),
    libvirt_default("t04_zero_timer_set_again_fires", ANEW),
    libvirt_default("t05_cost_grows_slowly", A_LIST),
    libvirt_glib("h04_added_with_zero_is_validated", ANY_NUMBER_WARNED),
    libvirt_glib("h07_negative_fd_is_refused", ANY_NUMBER_WARNED),
    libvirt_glib("h07_closed_fd_is_refused", ANY_NUMBER_WARNED),
    libvirt_glib("h07_fd_over_the_limit_is_refused", ANY_NUMBER_WARNED),
    libvirt_glib("h07_callback_comes_back", ANY_NUMBER_WARNED),
    libvirt_glib("h07_error_names_fd_and_errno", ANY_NUMBER_WARNED),
    libvirt_glib("c06_rejected_add_frees_nothing", ANY_NUMBER_WARNED),
    libvirt_glib(
        "c06_rejected_inside_a_callback_and_a_free",
        ANY_NUMBER_WARNED,
    ),
    libvirt_glib("h02_hangup_unasked", IN_AND_OUT_ONLY),
    libvirt_glib("h02_error_unasked", IN_AND_OUT_ONLY),
    libvirt_glib("h02_never_an_empty_set", IN_AND_OUT_ONLY),
    libvirt_glib("h03_full_close_is_a_hangup", IN_AND_OUT_ONLY),
    libvirt_glib("h04_set_again_resumes", IN_AND_OUT_ONLY),
    libvirt_glib("h04_zero_after_hangup", IN_AND_OUT_ONLY),
    libvirt_glib("h04_hangup_while_zero", IN_AND_OUT_ONLY),
    libvirt_glib("h05_hangup_reaches_all_but_the_parked", IN_AND_OUT_ONLY),
    libvirt_glib("h02_hangup_only", EMPTY_SETS),
    libvirt_glib("h02_error_only", EMPTY_SETS),
    libvirt_glib("h02_only_unknown_bits_is_nothing", EMPTY_SETS),
    libvirt_glib("h03_half_close_unasked", EMPTY_SETS),
    libvirt_glib("h06_no_hangup_and_no_error", EMPTY_SETS),
    libvirt_glib("c04_replaced_in_the_same_batch", EMPTY_SETS),
    libvirt_glib("h06_parked_when_closed", CLOSED),
    libvirt_glib("h08_closed_while_watched", CLOSED),
    libvirt_glib("h08_closed_can_be_updated", CLOSED),
    libvirt_glib("h08_number_used_again", BY_NUMBER),
    libvirt_glib("h08_number_taken_by_dup2", BY_NUMBER),
    libvirt_glib("h08_updating_the_old_leaves_the_new", BY_NUMBER),
    libvirt_glib("i03_stale_remove_of_a_watch", IDLE_FREES),
    libvirt_glib("h08_removing_the_old_leaves_the_new", IDLE_FREES),
    libvirt_glib("h08_duplicate_lives", IDLE_FREES),
    libvirt_glib("t04_zero_timer_delays_no_free", IDLE_FREES),
    libvirt_glib("t04_zero_timer_set_again_fires", ANEW),
    libvirt_glib("c03_a_watch_changes_and_removes_itself", IDLE_FREES),
    libvirt_glib("c03_a_free_removes_a_watch_and_closes_its_fd", IDLE_FREES),
    libvirt_glib("c05_freed_while_a_zero_timer_is_armed", IDLE_FREES),
    libvirt_glib("c05_freed_while_a_descriptor_stays_ready", IDLE_FREES),
    libvirt_glib("c05_many_frees_at_once", IDLE_FREES),
    libvirt_glib("c08_watch_that_always_panics_starves_nobody", IDLE_FREES),
    libvirt_glib("c08_timer_that_always_panics_starves_nobody", IDLE_FREES),
    libvirt_glib("c08_several_that_always_panic_starve_nobody", IDLE_FREES),
    libvirt_glib("t02_next_deadline_counts_from_the_call", FROM_THE_ITERATION),
    libvirt_glib("t05_cost_grows_slowly", A_LIST),
];

const fn libvirt_default(case: &'static str, reason: &'static str) -> Gap {
    Gap {
        implementation: "libvirt-default",
        case,
        kind: Kind::Fail,
        reason,
    }
}

const fn libvirt_glib(case: &'static str, reason: &'static str) -> Gap {
    Gap {
        implementation: "libvirt-glib",
        case,
        kind: Kind::Fail,
        reason,
    }
}

// Seen with libvirt 9.0.0, whose default loop is a GLib main context, with
// libvirt-glib 4.0.0, and with GLib 2.74.

const ANY_NUMBER: &str = "\
    It takes any number for a descriptor, negative and closed ones too, and tells nobody";

const ANY_NUMBER_WARNED: &str = "\
    It takes any number for a descriptor, negative and closed ones too; GLib prints a \
    warning, and the caller learns nothing";

const UNKNOWN_BITS: &str = "\
    An interest of nothing but unknown bits is not 0, so that the descriptor is polled, \
    and `poll(2)` reports hang-ups unasked";

const A_LIST: &str = "\
    Its timers are a list, which is gone through for the id at each update";

const IN_AND_OUT_ONLY: &str = "\
    It tells of READABLE and WRITABLE only, even who asked for more: a hang-up or an \
    error, which `poll(2)` reports unasked, makes the loop spin and calls nobody";

const EMPTY_SETS: &str = "\
    An interest without READABLE and WRITABLE is a GLib watch for nothing, which is \
    always ready: the callback gets an empty set in every iteration, whatever the \
    descriptor does";

const CLOSED: &str = "\
    A closed descriptor is polled further; `poll(2)` answers POLLNVAL at once, which no \
    watch asked for: the loop spins and calls nobody";

const BY_NUMBER: &str = "\
    `poll(2)` knows a descriptor by its number only: a watch on a closed one hears the \
    events of the next one with that number";

const IDLE_FREES: &str = "\
    Frees are idle sources of GLib, which run only in an iteration with nothing else to \
    do: a zero timer, or a descriptor that stays ready, puts them off for ever";

const IDLE_TIMER_FREES: &str = "\
    The frees of timers, unlike those of watches, are idle sources of GLib, which run \
    only in an iteration with nothing else to do: a zero timer, or a descriptor that \
    stays ready, puts them off for ever";

const ANEW: &str = "\
    an update makes another source, which GLib looks at in its next iteration: a watch \
    that sets the timer again in each one keeps it from firing";

const FROM_THE_ITERATION: &str = "\
    GLib counts the next deadline from the beginning of the iteration, not from the \
    call: after a slow callback in the same iteration it comes early";
