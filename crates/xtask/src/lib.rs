//! The developer commands of this repository.
