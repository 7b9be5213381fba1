//! A case: some kinds of events, and what causes them.

use std::collections::BTreeSet;

use virt_event_monitor::EventKind;

use crate::scene::Scene;

/// Who produces the events of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Producer {
    /// A guest under QEMU.
    Guest,
    /// The daemon by itself.
    Daemon,
}

impl Producer {
    pub(crate) const ALL: [Self; 2] = [Self::Guest, Self::Daemon];

    /// Its name in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Guest => "QEMU guest",
            Self::Daemon => "daemon",
        }
    }
}

/// One case.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) producer: Producer,
    /// What it shows, no more and no less.
    pub(crate) kinds: &'static [EventKind],
    pub(crate) script: fn(&mut Scene),
}

impl Case {
    /// Panics unless the script goes well and shows what the case says.
    pub(crate) fn play(&self) {
        let mut scene = Scene::new();
        (self.script)(&mut scene);
        let kinds: BTreeSet<_> = self.kinds.iter().copied().collect();
        assert_eq!(*scene.shown(), kinds, "what it has shown, and is to show");
    }
}
