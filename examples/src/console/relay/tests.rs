use std::collections::VecDeque;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

/// A guest whose console takes and gives as little at a time as a test wants.
#[derive(Default)]
struct Guest(Mutex<Console>);

#[derive(Default)]
struct Console {
    /// What the guest has printed and we have not received.
    printed: VecDeque<u8>,
    heard: Vec<u8>,
    /// How many bytes may be received or sent before it would block.
    budget: usize,
    closed: bool,
    interest: HandleEvents,
    /// The lock is not to be held while sending.
    relay: Option<Arc<Relay>>,
}

impl Guest {
    fn console(&self) -> MutexGuard<'_, Console> {
        self.0.lock().unwrap()
    }

    fn says(&self, bytes: &[u8]) {
        self.console().printed.extend(bytes);
    }

    fn with_budget(budget: usize) -> Arc<Self> {
        let guest = Arc::<Self>::default();
        guest.console().budget = budget;
        guest
    }

    /// What the loop would call us for.
    fn ready(&self) -> HandleEvents {
        let console = self.console();
        let mut ready = HandleEvents::WRITABLE;
        if !console.printed.is_empty() || console.closed {
            ready |= HandleEvents::READABLE;
        }
        ready & console.interest
    }
}

impl Stream for Guest {
    fn receive(&self, buffer: &mut [u8]) -> Result<Option<usize>, Failure> {
        let console = &mut *self.console();
        if console.printed.is_empty() {
            return Ok(console.closed.then_some(0));
        }
        let count = console.printed.len().min(buffer.len()).min(console.budget);
        console.budget -= count;
        for byte in &mut buffer[..count] {
            *byte = console.printed.pop_front().unwrap();
        }
        Ok((count > 0).then_some(count))
    }

    fn send(&self, bytes: &[u8]) -> Result<Option<usize>, Failure> {
        let console = &mut *self.console();
        if let Some(relay) = &console.relay {
            assert!(relay.state.try_lock().is_ok(), "sending with the lock");
        }
        if console.closed {
            return Err("closed".into());
        }
        let count = bytes.len().min(console.budget);
        console.budget -= count;
        console.heard.extend_from_slice(&bytes[..count]);
        Ok((count > 0).then_some(count))
    }

    fn set_interest(&self, interest: HandleEvents) -> Result<(), Failure> {
        self.console().interest = interest;
        Ok(())
    }
}

/// A relay, what is at its ends, and what it reported.
struct Scene {
    relay: Arc<Relay>,
    keyboard: UnixStream,
    screen: UnixStream,
    reports: Receiver<Report>,
}

impl Scene {
    fn new(bound: usize, has_keyboard: bool) -> Self {
        let (keyboard, stdin) = UnixStream::pair().unwrap();
        let (screen, stdout) = UnixStream::pair().unwrap();
        rustix::net::sockopt::set_socket_send_buffer_size(&stdout, 1).unwrap();
        keyboard.set_nonblocking(true).unwrap();
        screen.set_nonblocking(true).unwrap();
        let (sender, reports) = mpsc::channel();
        let relay = Relay::with_bound(
            bound,
            Endpoint::reader(&stdin).unwrap(),
            Endpoint::writer(&stdout).unwrap(),
            has_keyboard,
            move |report| drop(sender.send(report)),
        );
        relay.settle(&mut relay.lock());
        Self {
            relay,
            keyboard,
            screen,
            reports,
        }
    }

    fn types(&mut self, bytes: &[u8]) {
        self.keyboard.write_all(bytes).unwrap();
    }

    /// One round of the loop: calls whom a real loop would call.
    fn turn(&self, number: u64, guest: &Guest) {
        if self.relay.lock().stdin.is_on() {
            self.relay.stdin_ready();
        }
        if self.relay.lock().stdout.is_on() {
            self.relay.stdout_ready();
        }
        let ready = guest.ready();
        if !ready.is_empty() {
            self.relay.stream_ready(number, ready);
        }
        self.relay.send_once();
    }

    /// Reads what the screen has, `limit` at most.
    fn look(&mut self, limit: usize) -> Vec<u8> {
        let mut seen = vec![0; limit];
        let count = self.screen.read(&mut seen).unwrap_or(0);
        seen.truncate(count);
        seen
    }
}

#[derive(Debug, Clone)]
enum Act {
    GuestSays(usize),
    UserTypes(usize),
    UserLooks(usize),
    BudgetGrows(usize),
    Turn,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        (1..300_usize).prop_map(Act::GuestSays),
        (1..300_usize).prop_map(Act::UserTypes),
        (1..3000_usize).prop_map(Act::UserLooks),
        (1..300_usize).prop_map(Act::BudgetGrows),
        Just(Act::Turn),
        Just(Act::Turn),
    ];
    vec(act, 0..150)
}

/// The next bytes of a sequence in which a loss or a swap shows.
fn next(counter: &mut u32, count: usize) -> Vec<u8> {
    let numbers = *counter..*counter + count as u32;
    *counter = numbers.end;
    // 251 is a prime, so that it has no rhythm in common with a buffer.
    numbers.map(|number| (number % 251) as u8).collect()
}

proptest! {
    #[test]
    fn no_byte_is_lost_and_none_wait_beyond_the_bound(bound in 1..200_usize, acts in acts()) {
        let mut scene = Scene::new(bound, false);
        let guest = Arc::<Guest>::default();
        scene.relay.attach(1, guest.clone());
        let (mut said, mut typed) = (0, 0);
        let mut seen = Vec::new();
        for act in acts {
            match act {
                Act::GuestSays(count) => guest.says(&next(&mut said, count)),
                Act::UserTypes(count) => scene.types(&next(&mut typed, count)),
                Act::UserLooks(limit) => seen.extend(scene.look(limit)),
                Act::BudgetGrows(more) => guest.console().budget += more,
                Act::Turn => scene.turn(1, &guest),
            }
            let state = scene.relay.lock();
            prop_assert!(state.to_guest.len() <= bound);
            prop_assert!(state.to_stdout.len() <= bound);
        }
        // Everybody takes everything now; as many rounds as it takes.
        for _ in 0..100_000 {
            guest.console().budget = 1000;
            scene.turn(1, &guest);
            seen.extend(scene.look(10_000));
            let heard = guest.console().heard.len();
            if seen.len() == said as usize && heard == typed as usize {
                break;
            }
        }
        prop_assert_eq!(seen, next(&mut 0, said as usize));
        prop_assert_eq!(&guest.console().heard, &next(&mut 0, typed as usize));
        // With nothing to do, only the readers are watched.
        scene.turn(1, &guest);
        prop_assert_eq!(guest.console().interest, HandleEvents::READABLE);
        let state = scene.relay.lock();
        prop_assert_eq!((state.stdin.is_on(), state.stdout.is_on()), (true, false));
    }
}

#[test]
fn a_screen_that_takes_nothing_stops_the_stream_and_not_the_keyboard() {
    let mut scene = Scene::new(1000, true);
    let guest = Guest::with_budget(usize::MAX);
    scene.relay.attach(1, guest.clone());
    let mut said = 0;
    guest.says(&next(&mut said, 500_000));
    while !guest.ready().is_empty() {
        scene.turn(1, &guest);
    }
    assert!(scene.relay.awaits_stdout());
    scene.types(b"x");
    scene.turn(1, &guest);
    assert_eq!(guest.console().heard, b"x");
    let mut seen = Vec::new();
    while seen.len() < 500_000 {
        seen.extend(scene.look(10_000));
        scene.turn(1, &guest);
    }
    assert_eq!(seen, next(&mut 0, 500_000));
    scene.relay.flush();
}

#[test]
fn ctrl_right_bracket_leaves_and_what_was_typed_before_is_sent() {
    let mut scene = Scene::new(1000, true);
    let guest = Guest::with_budget(usize::MAX);
    scene.relay.attach(1, guest.clone());
    scene.types(b"exit\r\x1dls\r");
    scene.turn(1, &guest);
    assert!(matches!(scene.reports.try_recv(), Ok(Report::Left)));
    scene.relay.finish_sending(PATIENCE);
    assert_eq!(guest.console().heard, b"exit\r");
    assert!(!scene.relay.lock().stdin.is_on());
}

#[test]
fn leaving_ends_a_flush_that_the_screen_holds_up() {
    let mut scene = Scene::new(1000, true);
    let guest = Guest::with_budget(usize::MAX);
    guest.says(&[b'x'; 500_000]);
    scene.relay.attach(1, guest.clone());
    for _ in 0..500 {
        scene.turn(1, &guest);
    }
    assert!(scene.relay.awaits_stdout());
    let relay = Arc::clone(&scene.relay);
    let flushing = thread::spawn(move || relay.flush());
    scene.types(&[ESCAPE]);
    scene.turn(1, &guest);
    flushing.join().unwrap();
}

#[test]
fn a_pipe_may_hold_any_byte() {
    let mut scene = Scene::new(1000, false);
    let guest = Guest::with_budget(usize::MAX);
    scene.relay.attach(1, guest.clone());
    let all: Vec<_> = (0..=255).collect();
    scene.types(&all);
    scene.turn(1, &guest);
    assert_eq!(guest.console().heard, all);
    assert!(scene.reports.try_recv().is_err());
}

#[test]
fn without_a_guest_keys_are_dropped_and_a_pipe_waits() {
    for has_keyboard in [true, false] {
        let mut scene = Scene::new(1000, has_keyboard);
        let guest = Guest::with_budget(usize::MAX);
        scene.types(b"early");
        scene.turn(1, &guest);
        scene.relay.attach(1, guest.clone());
        scene.turn(1, &guest);
        let heard: &[u8] = if has_keyboard { b"" } else { b"early" };
        assert_eq!(guest.console().heard, heard);
        // It takes three more bytes and goes.
        guest.console().budget = 3;
        scene.types(b"123456");
        scene.turn(1, &guest);
        guest.console().closed = true;
        scene.turn(1, &guest);
        scene.relay.detach();
        let next = Guest::with_budget(usize::MAX);
        scene.relay.attach(2, next.clone());
        scene.turn(2, &next);
        let heard: &[u8] = if has_keyboard { b"" } else { b"456" };
        assert_eq!(next.console().heard, heard);
    }
}

#[test]
fn ends_are_reported_once_and_after_all_bytes() {
    let mut scene = Scene::new(10, false);
    let guest = Guest::with_budget(usize::MAX);
    guest.says(b"the last words of the guest");
    guest.console().closed = true;
    // Two bytes on the socket are enough to fill it for the time being.
    while scene.relay.stdout.write(&[b'.'; 1000]).unwrap().is_some() {}
    scene.relay.attach(1, guest.clone());
    scene.turn(1, &guest);
    assert!(
        scene.reports.try_recv().is_err(),
        "there is no room for all"
    );
    let mut seen = Vec::new();
    for _ in 0..1000 {
        seen.extend(scene.look(1000));
        scene.turn(1, &guest);
    }
    assert!(seen.ends_with(b"the last words of the guest"));
    assert!(matches!(
        scene.reports.try_recv(),
        Ok(Report::StreamEnded {
            number: 1,
            error: None
        })
    ));
    assert_eq!(guest.console().interest, HandleEvents::empty());
    drop(scene.keyboard);
    scene.relay.attach(2, Arc::<Guest>::default());
    scene.relay.stdin_ready();
    scene.relay.stdin_ready();
    assert!(matches!(scene.reports.try_recv(), Ok(Report::InputEnded)));
    assert!(scene.reports.try_recv().is_err());
}

#[test]
fn a_dead_stream_is_emptied_in_its_last_call() {
    let mut scene = Scene::new(10, false);
    let guest = Guest::with_budget(usize::MAX);
    while scene.relay.stdout.write(&[b'.'; 1000]).unwrap().is_some() {}
    scene.relay.attach(1, guest.clone());
    guest.says(b"more than there is room for");
    guest.console().closed = true;
    scene
        .relay
        .stream_ready(1, HandleEvents::ERROR | HandleEvents::HANGUP);
    assert!(guest.console().printed.is_empty());
    assert!(matches!(
        scene.reports.try_recv(),
        Ok(Report::StreamEnded { number: 1, .. })
    ));
    let mut seen = Vec::new();
    for _ in 0..1000 {
        seen.extend(scene.look(1000));
        if scene.relay.lock().stdout.is_on() {
            scene.relay.stdout_ready();
        }
    }
    assert!(seen.ends_with(b"more than there is room for"));
}

#[test]
fn a_late_call_of_an_old_stream_is_ignored() {
    let scene = Scene::new(10, false);
    let (old, new) = (Guest::with_budget(9), Guest::with_budget(9));
    scene.relay.attach(1, old);
    scene.relay.attach(2, new.clone());
    new.says(b"x");
    scene.relay.stream_ready(1, HandleEvents::READABLE);
    assert_eq!(new.console().printed, b"x");
}

#[test]
fn a_screen_that_went_away_is_reported_once_and_holds_nothing_up() {
    let mut scene = Scene::new(10, false);
    let guest = Guest::with_budget(usize::MAX);
    (_, scene.screen) = UnixStream::pair().unwrap();
    guest.says(&[b'x'; 100]);
    scene.relay.attach(1, guest.clone());
    for _ in 0..20 {
        scene.turn(1, &guest);
    }
    let Ok(Report::OutputFailed(error)) = scene.reports.try_recv() else {
        panic!("nothing said");
    };
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert!(scene.reports.try_recv().is_err());
    assert!(guest.console().printed.is_empty());
    scene.relay.flush();
}

#[test]
fn words_of_our_own_come_after_the_output_before_them() {
    let mut scene = Scene::new(10, false);
    let guest = Guest::with_budget(usize::MAX);
    guest.says(b"0123456789");
    scene.relay.attach(1, guest.clone());
    scene.relay.interject("[twelve more]");
    guest.says(b"abc");
    scene.turn(1, &guest);
    scene.turn(1, &guest);
    assert_eq!(scene.look(1000), b"0123456789[twelve more]abc");
}

#[test]
fn the_sending_thread_sends_without_the_lock_and_ends_when_told() {
    let mut scene = Scene::new(1000, false);
    let guest = Guest::with_budget(usize::MAX);
    guest.console().relay = Some(Arc::clone(&scene.relay));
    let relay = Arc::clone(&scene.relay);
    let sending = thread::spawn(move || relay.send_until_stopped());
    scene.relay.attach(1, guest.clone());
    scene.types(b"12345");
    scene.relay.stdin_ready();
    scene.relay.finish_sending(PATIENCE);
    assert_eq!(guest.console().heard, b"12345");
    scene.relay.stop();
    sending.join().unwrap();
    guest.console().relay = None;
}

#[test]
fn a_guest_that_takes_no_input_holds_nothing_up_for_longer_than_said() {
    let mut scene = Scene::new(1000, false);
    let guest = Arc::<Guest>::default();
    scene.relay.attach(1, guest.clone());
    scene.types(b"12345");
    scene.turn(1, &guest);
    // Full: it is watched until it says that it can.
    assert_eq!(
        guest.console().interest,
        HandleEvents::READABLE | HandleEvents::WRITABLE
    );
    scene.relay.finish_sending(Duration::from_millis(1));
    guest.console().budget = 9;
    scene.turn(1, &guest);
    assert_eq!(guest.console().heard, b"12345");
    assert_eq!(guest.console().interest, HandleEvents::READABLE);
}
