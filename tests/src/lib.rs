//! Suites that need several crates, or a process of their own.
