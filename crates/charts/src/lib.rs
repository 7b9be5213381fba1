//! The charts of the documentation: curves above each other, as one SVG that can
//! be read on a bright page and on a dark one.
//!
//! [`draw`] knows nothing of what it draws; [`soak`] is about one file of counts.

mod chart;
pub mod soak;

pub use self::chart::{Curve, Hue, Panel, Weight, draw};
