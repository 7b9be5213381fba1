//! The charts of the documentation, as SVG that can be read on a bright page and
//! on a dark one.
//!
//! [`draw`], [`Lines`] and [`Dots`] know nothing of what they draw: panels of curves
//! above each other, curves named where they end, and rows of points. [`soak`] is
//! about one file of counts, [`performance`] about the figures of the benchmark.

mod canvas;
mod chart;
mod dots;
mod lines;
mod number;
mod palette;
pub mod performance;
mod scale;
pub mod soak;

pub use self::chart::{Curve, Panel, Weight, draw};
pub use self::dots::{Cell, Column, Dot, Dots};
pub use self::lines::{Line, Lines, Plot, Point};
pub use self::palette::{Hue, Mark};
pub use self::scale::Scale;
