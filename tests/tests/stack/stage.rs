//! What most scenes are played on: a loop that is libvirt's, and what it leaves.

use std::fs;
use std::sync::Arc;

use virt::connect::Connect;
use virt_event_examples::Failure;
use virt_event_examples::host_loop::{HostLoop, LoopKind};
use virt_event_examples::worker::run_beside;
use virt_event_reactor::Reactor;
use virt_event_tests::rig::patience;

use crate::scene::Played;

/// A loop, installed, on this thread.
pub(crate) struct Stage {
    host_loop: Box<dyn HostLoop>,
    kind: LoopKind,
    /// Open before the first connection, and after the last.
    descriptors: usize,
}

impl Stage {
    /// Installs a loop of this kind, and lets libvirt open what it opens once
    /// for each process.
    pub(crate) fn new(kind: LoopKind) -> Result<Self, Failure> {
        let mut stage = Self {
            host_loop: kind.install()?,
            kind,
            descriptors: 0,
        };
        // Scenes look at the errors themselves.
        virt::error::clear_error_callback();
        stage.beside(|| {
            drop(Connect::open(Some("test:///default"))?);
            Ok(())
        })?;
        stage.keep();
        Ok(stage)
    }

    /// Lets what is open now stay open: something that is kept for as long as the
    /// process lives.
    ///
    /// # Panics
    ///
    /// - Something is registered, and stays so.
    pub(crate) fn keep(&mut self) {
        self.drain();
        self.descriptors = descriptors();
    }

    /// Runs the loop on this thread while `script` is played on another, as a
    /// program does. It ends with the script.
    pub(crate) fn beside<T: Send + 'static>(
        &mut self,
        script: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        run_beside(self.host_loop(), script)?
    }

    /// Ends the loop, lets `between` happen, and goes on with a loop of another
    /// kind. Nobody may open or close a descriptor meanwhile.
    pub(crate) fn hand_over(
        self,
        kind: LoopKind,
        between: impl FnOnce() -> Played,
    ) -> Result<Self, Failure> {
        let reactor = self.reactor();
        let before = descriptors();
        if self.kind == LoopKind::Glib {
            // Its context is the default one, which is never freed.
            self.host_loop.detach();
        }
        drop(self.host_loop);
        between()?;
        let host_loop = kind.attach(&reactor)?;
        Ok(Self {
            host_loop,
            kind,
            descriptors: self.descriptors + descriptors() - before,
        })
    }

    /// The loop itself, for scenes that stop it or hand it over.
    pub(crate) fn host_loop(&mut self) -> &mut dyn HostLoop {
        &mut *self.host_loop
    }

    pub(crate) fn reactor(&self) -> Arc<Reactor> {
        self.host_loop.reactor()
    }

    /// Runs until nothing is registered, and compares what is there with what
    /// was there before the scene.
    ///
    /// # Panics
    ///
    /// - Something is left.
    pub(crate) fn end(mut self) {
        self.settle();
    }

    /// The same in the middle of a scene, when no connection is open.
    pub(crate) fn settle(&mut self) {
        self.drain();
        assert_eq!(descriptors(), self.descriptors, "open descriptors");
    }

    fn drain(&mut self) {
        self.host_loop.drain(patience()).expect("nothing holds on");
        let stats = self.reactor().stats();
        assert_eq!(
            (stats.watches, stats.timers, stats.pending_frees),
            (0, 0, 0)
        );
    }
}

/// How many descriptors this process has open.
pub(crate) fn descriptors() -> usize {
    // One is of this very look.
    fs::read_dir("/proc/self/fd").expect("/proc").count() - 1
}
