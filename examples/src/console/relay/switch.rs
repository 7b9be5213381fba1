use std::sync::Arc;

use virt_event::{HandleEvents, Watch, add_handle};

use crate::console::endpoint::Endpoint;

/// A watch that is on or off.
pub(super) struct Switch {
    events: HandleEvents,
    on: bool,
    /// None before the start and after the end.
    watch: Option<Watch<Arc<Endpoint>>>,
}

impl Switch {
    pub(super) fn new(events: HandleEvents) -> Self {
        Self {
            events,
            on: false,
            watch: None,
        }
    }

    pub(super) fn start(
        &mut self,
        endpoint: Arc<Endpoint>,
        mut callback: impl FnMut() + Send + 'static,
    ) -> Result<(), virt_event::Error> {
        let watch = add_handle(endpoint, self.interest(), move |_| callback())?;
        self.watch = Some(watch);
        Ok(())
    }

    pub(super) fn stop(&mut self) {
        self.watch = None;
    }

    pub(super) fn is_on(&self) -> bool {
        self.on
    }

    pub(super) fn set(&mut self, on: bool) {
        if on != self.on {
            self.on = on;
            if let Some(watch) = &self.watch {
                watch.update(self.interest());
            }
        }
    }

    fn interest(&self) -> HandleEvents {
        if self.on {
            self.events
        } else {
            HandleEvents::empty()
        }
    }
}
