//! The peer that every program has: the `poll(2)` loop inside libvirt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use virt_event_libvirt::default_loop;

use super::{Host, Stop};

/// `virEventRegisterDefaultImpl` and `virEventRunDefaultImpl`.
pub(crate) struct LibvirtDefault {
    stopped: Arc<AtomicBool>,
}

impl LibvirtDefault {
    pub(crate) fn register() -> Result<Self> {
        default_loop::register().context("libvirt's default loop cannot be registered")?;
        Ok(Self {
            stopped: Arc::default(),
        })
    }
}

impl Host for LibvirtDefault {
    fn run(&mut self) -> Result<()> {
        while !self.stopped.swap(false, Ordering::Relaxed) {
            default_loop::run_once().context("libvirt's default loop failed")?;
        }
        Ok(())
    }

    fn stop(&self) -> Stop {
        let stopped = Arc::clone(&self.stopped);
        Box::new(move || stopped.store(true, Ordering::Relaxed))
    }
}
