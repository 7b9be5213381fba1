//! What to do when guest and stream come and go.
//!
//! The guest's stop and the end of its stream are two pieces of news, and
//! either may come first. The guest is detached when both are there: before the
//! stream's end there may be output to come, and without a stop the end means
//! that somebody else took the console.

/// Where things stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// The guest does not run, and there is no stream.
    #[default]
    Off,
    /// The guest runs, and the stream with it.
    On,
    /// The guest has stopped, and the stream has not ended yet.
    Ending,
    /// As `Ending`, and the guest has started again.
    Restarted,
    /// The stream has ended, and the guest's stop is not known yet.
    Cut,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// The guest started.
    Started,
    /// The guest stopped.
    Stopped,
    /// The stream has given everything it had.
    StreamEnded,
    /// What the phase waits for did not come in time.
    Overdue,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Stay,
    /// Open the console; the phase is to be [`Phase::On`] if that works.
    Attach,
    /// Close the stream: the guest has stopped.
    Detach,
    /// The same, and open the console of the guest that runs now.
    Reattach,
    /// Close the stream and wait for the guest's stop.
    Close,
    /// Give up: the guest runs, and its console is closed.
    GiveUp,
}

impl Phase {
    /// The step that `news` asks for, and where that leads.
    #[must_use]
    pub fn on(self, news: News) -> (Self, Step) {
        match (self, news) {
            (Self::Off, News::Started) => (Self::Off, Step::Attach),
            (Self::On | Self::Restarted, News::Stopped) => (Self::Ending, Step::Stay),
            (Self::Ending, News::Started) => (Self::Restarted, Step::Stay),
            (Self::On, News::StreamEnded) => (Self::Cut, Step::Close),
            (Self::Ending, News::StreamEnded | News::Overdue) => (Self::Off, Step::Detach),
            (Self::Restarted, News::StreamEnded | News::Overdue) => (Self::Off, Step::Reattach),
            (Self::Cut, News::Stopped) => (Self::Off, Step::Detach),
            (Self::Cut, News::Overdue) => (Self::Cut, Step::GiveUp),
            // Said twice: an event that was on its way when the state was asked.
            (phase, _) => (phase, Step::Stay),
        }
    }

    /// Whether this phase ends by itself, unless something is wrong.
    pub fn is_passing(self) -> bool {
        matches!(self, Self::Ending | Self::Restarted | Self::Cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps that are not `Stay`; an attachment works.
    fn steps(from: Phase, news: &[News]) -> (Phase, Vec<Step>) {
        let mut steps = Vec::new();
        let mut phase = from;
        for &news in news {
            let (next, step) = phase.on(news);
            phase = match step {
                Step::Attach | Step::Reattach => Phase::On,
                _ => next,
            };
            steps.extend((step != Step::Stay).then_some(step));
        }
        (phase, steps)
    }

    use News::{Overdue, Started, Stopped, StreamEnded};
    use Phase::{Cut, Off, On};
    use Step::{Attach, Close, Detach, GiveUp, Reattach};

    #[test]
    fn a_stop_and_the_streams_end_detach_in_either_order() {
        assert_eq!(steps(On, &[Stopped, StreamEnded]), (Off, vec![Detach]));
        assert_eq!(
            steps(On, &[StreamEnded, Stopped]),
            (Off, vec![Close, Detach])
        );
        assert_eq!(steps(On, &[Stopped, Overdue]), (Off, vec![Detach]));
    }

    #[test]
    fn a_start_attaches_once() {
        assert_eq!(steps(Off, &[Started, Started]), (On, vec![Attach]));
        assert_eq!(steps(On, &[Started]), (On, vec![]));
        assert_eq!(steps(Off, &[Stopped]), (Off, vec![]));
    }

    #[test]
    fn a_restart_waits_for_the_old_stream() {
        let news = [Stopped, Started, StreamEnded];
        assert_eq!(steps(On, &news), (On, vec![Reattach]));
        let news = [Stopped, Started, Stopped, StreamEnded];
        assert_eq!(steps(On, &news), (Off, vec![Detach]));
        let news = [StreamEnded, Stopped, Started];
        assert_eq!(steps(On, &news), (On, vec![Close, Detach, Attach]));
    }

    #[test]
    fn a_stream_that_ends_alone_is_given_up() {
        let news = [StreamEnded, Overdue];
        assert_eq!(steps(On, &news), (Cut, vec![Close, GiveUp]));
    }
}
