use std::collections::BTreeSet;

use virt_event::{HandleEvents, Period, TimerId, WatchId};

use crate::fixtures::eventfd;
use crate::mutants::broken;
use crate::mutants::ids::{
    AlwaysRemoves, KeepsDisabled, Misnames, Numbering, OneSpace, Renumbers, StaleHitsNewest,
};
use crate::{Capabilities, Case, Config, Exam, Mutant};

pub(super) const CASES: &[Case] = &[
    Case::new(
        "i01_ids_are_positive",
        ids_are_positive,
        Mutant::Impossible("`WatchId` and `TimerId` cannot hold a number below 1"),
    ),
    Case::new(
        "i01_callback_is_told_its_id",
        callback_is_told_its_id,
        Mutant::broken("callbacks are told the id of another entry", |f, c| {
            broken(f, c, Misnames)
        }),
    ),
    Case::new(
        "i02_two_spaces",
        two_spaces,
        Mutant::broken("watches and timers are removed by number alone", |f, c| {
            broken(f, c, OneSpace)
        }),
    ),
    Case::new(
        "i02_live_ids_are_not_given_out",
        live_ids_are_not_given_out,
        Mutant::broken("ids are counted by how many entries are live", |f, c| {
            broken(f, c, Renumbers::new(Numbering::CountsLive))
        }),
    ),
    Case::new(
        "i02_ids_grow",
        ids_grow,
        Mutant::broken("the lowest free id is used again at once", |f, c| {
            broken(f, c, Renumbers::new(Numbering::LowestFree))
        }),
    ),
    Case::new(
        "i02_ids_wrap_to_one",
        ids_wrap_to_one,
        Mutant::broken("after the last id comes the first id again", |f, c| {
            broken(f, c, Renumbers::new(Numbering::WrapsTo(c.first_id)))
        }),
    )
    .needs(Capabilities::FIRST_ID)
    .config(last_ids),
    Case::new(
        "i03_unknown_ids_are_harmless",
        unknown_ids_are_harmless,
        Mutant::broken("removing an unknown id succeeds", |f, c| {
            broken(f, c, AlwaysRemoves)
        }),
    ),
    Case::new(
        "i03_stale_update_of_a_watch",
        stale_update_of_a_watch,
        Mutant::broken("a stale update changes the newest watch", |f, c| {
            broken(f, c, StaleHitsNewest::default())
        }),
    ),
    Case::new(
        "i03_stale_update_of_a_timer",
        stale_update_of_a_timer,
        Mutant::broken("a stale update changes the newest timer", |f, c| {
            broken(f, c, StaleHitsNewest::default())
        }),
    ),
    Case::new(
        "i03_stale_remove_of_a_watch",
        stale_remove_of_a_watch,
        Mutant::broken("a stale remove takes the newest watch", |f, c| {
            broken(f, c, StaleHitsNewest::default())
        }),
    ),
    Case::new(
        "i03_stale_remove_of_a_timer",
        stale_remove_of_a_timer,
        Mutant::broken("a stale remove takes the newest timer", |f, c| {
            broken(f, c, StaleHitsNewest::default())
        }),
    ),
    Case::new(
        "i03_disabled_entries_can_be_removed",
        disabled_entries_can_be_removed,
        Mutant::broken("removing a disabled entry fails", |f, c| {
            broken(f, c, KeepsDisabled::default())
        }),
    ),
];

const READABLE: HandleEvents = HandleEvents::READABLE;

fn last_ids() -> Config {
    Config {
        first_id: i32::MAX - 1,
        ..Config::default()
    }
}

fn ids_are_positive(exam: &Exam) {
    let source = eventfd();
    for _ in 0..8 {
        assert!(exam.watch(&source, READABLE).id.get() >= 1);
        assert!(exam.timer(Period::DISABLED).id.get() >= 1);
    }
}

fn callback_is_told_its_id(exam: &Exam) {
    let source = eventfd();
    source.kick();
    let watches: Vec<_> = (0..3).map(|_| exam.watch(&source, READABLE)).collect();
    let timers: Vec<_> = (0..3)
        .map(|_| exam.timer(Period::EVERY_ITERATION))
        .collect();
    exam.turn_until("three watches and three timers", || {
        watches.iter().all(|watch| watch.log.was_called())
            && timers.iter().all(|timer| timer.log.was_called())
    });
    for watch in &watches {
        assert!(
            watch
                .log
                .calls()
                .iter()
                .all(|call| call.id == watch.id.get()),
            "watch {} was told another id: {:?}",
            watch.id,
            watch.log.last()
        );
    }
    for timer in &timers {
        assert!(
            timer
                .log
                .calls()
                .iter()
                .all(|call| call.id == timer.id.get()),
            "timer {} was told another id: {:?}",
            timer.id,
            timer.log.last()
        );
    }
}

fn two_spaces(exam: &Exam) {
    let source = eventfd();
    let mut watches = vec![exam.watch(&source, READABLE)];
    let mut timers = vec![exam.timer(Period::DISABLED)];
    let watch = |watches: &[crate::Watched]| watches.last().expect("one at least").id.get();
    let timer = |timers: &[crate::Timed]| timers.last().expect("one at least").id.get();
    while watch(&watches) != timer(&timers) {
        assert!(
            watches.len() + timers.len() < 1000,
            "no number is both a watch's and a timer's"
        );
        if watch(&watches) < timer(&timers) {
            watches.push(exam.watch(&source, READABLE));
        } else {
            timers.push(exam.timer(Period::DISABLED));
        }
    }
    // The watch and the timer of this number are two entries.
    let (watch, timer) = (watches.pop().expect("one"), timers.pop().expect("one"));
    exam.remove(watch.id);
    exam.update_timer(timer.id, Period::EVERY_ITERATION);
    exam.turn_until("the timer whose number a removed watch had", || {
        timer.log.was_called()
    });
    assert!(!timer.log.is_freed());
    exam.remove_timer(timer.id);
    exam.turn_until("the free of both", || {
        watch.log.is_freed() && timer.log.is_freed()
    });
}

fn live_ids_are_not_given_out(exam: &Exam) {
    let source = eventfd();
    let mut live = BTreeSet::new();
    for round in 0..50 {
        for _ in 0..3 {
            let watch = exam.watch(&source, READABLE);
            assert!(live.insert(watch.id), "{} was live", watch.id);
        }
        // Leave holes at both ends.
        let removed = if round % 2 == 0 {
            live.pop_first()
        } else {
            live.pop_last()
        };
        exam.remove(removed.expect("three were added"));
    }
    let mut live = BTreeSet::new();
    for _ in 0..50 {
        for _ in 0..3 {
            let timer = exam.timer(Period::DISABLED);
            assert!(live.insert(timer.id), "{} was live", timer.id);
        }
        exam.remove_timer(live.pop_first().expect("three were added"));
    }
}

fn ids_grow(exam: &Exam) {
    let source = eventfd();
    let (mut last_watch, mut last_timer) = (0, 0);
    for _ in 0..20 {
        let watch = exam.watch(&source, READABLE).id;
        assert!(watch.get() > last_watch, "{watch} came after {last_watch}");
        last_watch = watch.get();
        exam.remove(watch);
        let timer = exam.timer(Period::DISABLED).id;
        assert!(timer.get() > last_timer, "{timer} came after {last_timer}");
        last_timer = timer.get();
        exam.remove_timer(timer);
        exam.turn(std::time::Duration::ZERO);
    }
}

fn ids_wrap_to_one(exam: &Exam) {
    let source = eventfd();
    let watches: Vec<_> = (0..4).map(|_| exam.watch(&source, READABLE)).collect();
    let timers: Vec<_> = (0..4).map(|_| exam.timer(Period::DISABLED)).collect();
    let expected = [i32::MAX - 1, i32::MAX, 1, 2];
    assert_eq!(
        watches
            .iter()
            .map(|watch| watch.id.get())
            .collect::<Vec<_>>(),
        expected
    );
    assert_eq!(
        timers
            .iter()
            .map(|timer| timer.id.get())
            .collect::<Vec<_>>(),
        expected
    );
    // Those on either side of the wrap work.
    source.kick();
    for timer in &timers {
        exam.update_timer(timer.id, Period::EVERY_ITERATION);
    }
    exam.turn_until("all eight", || {
        watches.iter().all(|watch| watch.log.was_called())
            && timers.iter().all(|timer| timer.log.was_called())
    });
}

fn unknown_ids_are_harmless(exam: &Exam) {
    let source = eventfd();
    source.kick();
    let watch = exam.watch(&source, READABLE);
    let timer = exam.timer(Period::EVERY_ITERATION);
    let event_impl = exam.event_impl();
    for unknown in [watch.id.get() + 1, 1000, 65536, i32::MAX] {
        let unknown_watch = WatchId::new(unknown).expect("positive");
        event_impl.update_handle(unknown_watch, HandleEvents::empty());
        assert!(
            event_impl.remove_handle(unknown_watch).is_err(),
            "remove_handle({unknown}) succeeded"
        );
    }
    for unknown in [timer.id.get() + 1, 1000, 65536, i32::MAX] {
        let unknown_timer = TimerId::new(unknown).expect("positive");
        event_impl.update_timeout(unknown_timer, Period::DISABLED);
        assert!(
            event_impl.remove_timeout(unknown_timer).is_err(),
            "remove_timeout({unknown}) succeeded"
        );
    }
    exam.turn_until("the watch and the timer that do exist", || {
        watch.log.was_called() && timer.log.was_called()
    });
}

fn stale_update_of_a_watch(exam: &Exam) {
    let source = eventfd();
    source.kick();
    let stale = exam.watch(&source, READABLE);
    exam.remove(stale.id);
    let (busy, parked) = (
        exam.watch(&source, READABLE),
        exam.watch(&source, HandleEvents::empty()),
    );
    // Before the loop has freed it, and after.
    for _ in 0..2 {
        exam.update(stale.id, READABLE);
        let before = busy.log.count();
        exam.iterate(3);
        assert!(!parked.log.was_called(), "a stale update enabled it");
        assert!(
            busy.log.count() >= before + 3,
            "a stale update disturbed it"
        );
    }
    exam.remove(parked.id);
    exam.update(stale.id, HandleEvents::empty());
    let before = busy.log.count();
    exam.iterate(3);
    assert!(busy.log.count() >= before + 3, "a stale update parked it");
    assert!(!stale.log.was_called());
}

fn stale_update_of_a_timer(exam: &Exam) {
    let stale = exam.timer(Period::EVERY_ITERATION);
    exam.remove_timer(stale.id);
    let (busy, parked) = (
        exam.timer(Period::EVERY_ITERATION),
        exam.timer(Period::DISABLED),
    );
    for _ in 0..2 {
        exam.update_timer(stale.id, Period::EVERY_ITERATION);
        exam.iterate(3);
        assert!(!parked.log.was_called(), "a stale update enabled it");
    }
    exam.remove_timer(parked.id);
    exam.update_timer(stale.id, Period::DISABLED);
    let before = busy.log.count();
    exam.iterate(3);
    assert!(busy.log.count() >= before + 3, "a stale update disabled it");
    assert!(!stale.log.was_called());
}

fn stale_remove_of_a_watch(exam: &Exam) {
    let source = eventfd();
    source.kick();
    let stale = exam.watch(&source, READABLE);
    exam.remove(stale.id);
    let live = exam.watch(&source, READABLE);
    let event_impl = exam.event_impl();
    assert!(
        event_impl.remove_handle(stale.id).is_err(),
        "removed twice before the free"
    );
    exam.turn_until("the free", || stale.log.is_freed());
    assert!(
        event_impl.remove_handle(stale.id).is_err(),
        "removed twice after the free"
    );
    let before = live.log.count();
    exam.iterate(3);
    assert!(
        live.log.count() >= before + 3,
        "a stale remove took another watch"
    );
    assert!(!live.log.is_freed());
    assert_eq!(stale.log.frees(), 1);
}

fn stale_remove_of_a_timer(exam: &Exam) {
    let stale = exam.timer(Period::EVERY_ITERATION);
    exam.remove_timer(stale.id);
    let live = exam.timer(Period::EVERY_ITERATION);
    let event_impl = exam.event_impl();
    assert!(
        event_impl.remove_timeout(stale.id).is_err(),
        "removed twice before the free"
    );
    // A zero timer must not keep the free from happening, but that is C5.
    exam.update_timer(live.id, Period::DISABLED);
    exam.turn_until("the free", || stale.log.is_freed());
    assert!(
        event_impl.remove_timeout(stale.id).is_err(),
        "removed twice after the free"
    );
    exam.update_timer(live.id, Period::EVERY_ITERATION);
    let before = live.log.count();
    exam.turn_until("a timer beside a stale remove", || {
        live.log.count() >= before + 3
    });
    assert!(!live.log.is_freed());
    assert_eq!(stale.log.frees(), 1);
}

fn disabled_entries_can_be_removed(exam: &Exam) {
    let source = eventfd();
    let parked = exam.watch(&source, READABLE);
    exam.update(parked.id, HandleEvents::empty());
    let never = exam.watch(&source, HandleEvents::empty());
    let disabled = exam.timer(Period::millis(60_000));
    exam.update_timer(disabled.id, Period::DISABLED);
    exam.remove(parked.id);
    exam.remove(never.id);
    exam.remove_timer(disabled.id);
    exam.turn_until("three frees", || {
        [&parked.log, &never.log, &disabled.log]
            .iter()
            .all(|log| log.is_freed())
    });
}
