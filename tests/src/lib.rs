//! Suites that need several crates, or a process of their own.

pub mod conformance_page;
pub mod console;
pub mod contract_page;
pub mod exam;
pub mod expected;
pub mod guest_console;
pub mod host_cases;
pub mod implementations;
pub mod process_cases;
pub mod program;
pub mod rig;
pub mod running_loop;
pub mod slower;
