//! Connections to the libvirtd of this process.

use anyhow::{Context, Result};
use virt::connect::Connect;

/// Another connection, `virConnectOpen`.
pub(super) fn open(uri: &str) -> Result<Connect> {
    Connect::open(Some(uri)).with_context(|| format!("{uri} cannot be opened"))
}

/// The smallest call that the daemon has to answer, `virConnectNumOfDomains`.
pub(super) fn call(connection: &Connect) -> Result<()> {
    connection
        .num_of_domains()
        .context("the daemon does not answer")?;
    Ok(())
}
