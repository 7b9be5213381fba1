//! What the charts have in common: colours that do for a bright page as for a
//! dark one, since there is no background, and marks for those who do not see
//! colours.

use plotters::style::RGBColor;

/// Colours that can be told apart, by the colour-blind too, and stand out from
/// white as from black.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hue {
    /// The first. What is ours.
    Blue,
    /// The second. What others have.
    Orange,
    /// The third.
    Green,
    /// The fourth.
    Purple,
    /// What all the others are measured by.
    Grey,
}

/// Shapes of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "a shape is its own name")]
pub enum Mark {
    Circle,
    Square,
    Triangle,
    Diamond,
}

/// Text and lines: four and a half times as bright as a black page and as dark as
/// a white one.
pub(crate) const INK: RGBColor = RGBColor(0x79, 0x79, 0x79);

pub(crate) const FONT: &str = "sans-serif";

/// Of every chart, in pixels: the column of a page.
pub(crate) const WIDTH: u32 = 760;

impl Hue {
    pub(crate) fn colour(self) -> RGBColor {
        match self {
            Self::Blue => RGBColor(0x2f, 0x81, 0xd6),
            Self::Orange => RGBColor(0xd9, 0x73, 0x1a),
            Self::Green => RGBColor(0x2c, 0x93, 0x5c),
            Self::Purple => RGBColor(0xa0, 0x62, 0xc8),
            Self::Grey => INK,
        }
    }
}
