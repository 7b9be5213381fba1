use virt_event::{TimerId, WatchId};

use super::*;

fn faults_of(act: impl FnOnce(&Recorder)) -> String {
    let recorder = Recorder::new();
    act(&recorder);
    recorder.faults().join("; ")
}

#[test]
fn calls_and_the_free_are_noted_in_order() {
    let recorder = Recorder::new();
    let (mut callback, log) = recorder.handle("it", |_| {});
    let watch = WatchId::new(3).unwrap();
    callback.call(watch, 7, HandleEvents::READABLE);
    callback.call(watch, 7, HandleEvents::HANGUP);
    assert_eq!(recorder.unfreed(), ["it"]);
    drop(callback);
    let calls = log.calls();
    assert_eq!((calls[0].id, calls[0].fd), (3, 7));
    assert_eq!(log.seen(), HandleEvents::READABLE | HandleEvents::HANGUP);
    assert!(calls[0].order < calls[1].order && calls[1].order < log.free().unwrap().order);
    assert_eq!((log.count(), log.frees()), (2, 1));
    assert!(recorder.unfreed().is_empty());
    recorder.check();
}

#[test]
fn a_call_and_a_free_inside_one_of_the_six_calls_are_faults() {
    let faults = faults_of(|recorder| {
        let (mut callback, _) = recorder.timeout("it", |_| {});
        inside_call(|| callback.call(TimerId::new(1).unwrap()));
        inside_call(|| drop(callback));
    });
    assert!(
        faults.contains("called inside one of the six calls"),
        "{faults}"
    );
    assert!(
        faults.contains("freed inside one of the six calls"),
        "{faults}"
    );
}

#[test]
fn another_thread_is_a_fault_unless_it_is_allowed() {
    let other = |recorder: &Recorder| {
        let (callback, _) = recorder.timeout("it", |_| {});
        thread::spawn(move || drop(callback)).join().unwrap();
    };
    assert!(faults_of(other).contains("freed on a thread that does not turn the loop"));
    let allowed = faults_of(|recorder| {
        recorder.allow_any_thread();
        other(recorder);
    });
    assert_eq!(allowed, "");
}

#[test]
fn callbacks_on_two_threads_at_once_are_a_fault() {
    let faults = faults_of(|recorder| {
        recorder.allow_any_thread();
        let (mut inner, _) = recorder.timeout("the inner", |_| {});
        let (mut outer, _) = recorder.timeout("the outer", move |_| {
            thread::scope(|scope| {
                scope.spawn(|| inner.call(TimerId::new(2).unwrap()));
            });
        });
        outer.call(TimerId::new(1).unwrap());
    });
    assert!(
        faults.contains("while another thread ran a callback"),
        "{faults}"
    );
}

#[test]
fn a_panicking_callback_has_stopped_running() {
    let recorder = Recorder::new();
    let (mut callback, log) = recorder.timeout("it", |_| panic!("as the test wants"));
    let call = std::panic::AssertUnwindSafe(|| callback.call(TimerId::new(1).unwrap()));
    assert!(std::panic::catch_unwind(call).is_err());
    assert!(!log.is_running());
    drop(callback);
    recorder.check();
}
