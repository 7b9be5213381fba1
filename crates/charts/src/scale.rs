//! From figures to places on an axis.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;

/// An axis: where a figure is on it, and which figures are written beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    by: By,
    /// Places, not figures.
    ends: (f64, f64),
    /// Places and their words, in ascending order.
    ticks: Vec<(f64, String)>,
}

#[derive(Debug, Clone, PartialEq)]
enum By {
    Itself,
    Logarithm,
    /// These figures, in ascending order, are equally far apart.
    Order(Vec<f64>),
}

impl Scale {
    /// From 0 to `end`, in steps of so much.
    pub fn linear(end: f64, step: f64, words: impl Fn(f64) -> String) -> Self {
        let ticks = (0..=(end / step) as u32).map(|index| f64::from(index) * step);
        Self {
            by: By::Itself,
            ends: (0.0, end),
            ticks: ticks.map(|tick| (tick, words(tick))).collect(),
        }
    }

    /// From `low`, which is above 0, to `high`, with each power of ten between
    /// them.
    pub fn log(low: f64, high: f64, words: impl Fn(f64) -> String) -> Self {
        let ends = (low.log10(), high.log10());
        let powers = ends.0.ceil() as i32..=ends.1.floor() as i32;
        Self {
            by: By::Logarithm,
            ends,
            ticks: powers
                .map(|power| (f64::from(power), words(10_f64.powi(power))))
                .collect(),
        }
    }

    /// The same with these figures in place of the powers of ten.
    pub fn log_at(ticks: &[f64], words: impl Fn(f64) -> String) -> Self {
        let places: Vec<_> = ticks
            .iter()
            .map(|tick| (tick.log10(), words(*tick)))
            .collect();
        let ends = places.first().zip(places.last());
        Self {
            by: By::Logarithm,
            ends: ends.map_or((0.0, 1.0), |(first, last)| (first.0, last.0)),
            ticks: places,
        }
    }

    /// These figures and no others, equally far apart.
    pub fn order(figures: &[f64], words: impl Fn(f64) -> String) -> Self {
        let names = figures.iter().map(|figure| words(*figure));
        Self {
            by: By::Order(figures.to_vec()),
            ends: (0.0, figures.len().saturating_sub(1) as f64),
            ticks: names
                .enumerate()
                .map(|(at, name)| (at as f64, name))
                .collect(),
        }
    }

    /// Where a figure is, in the unit of the axis.
    pub(crate) fn place(&self, figure: f64) -> f64 {
        match &self.by {
            By::Itself => figure,
            By::Logarithm => figure.log10(),
            By::Order(figures) => figures.partition_point(|other| *other < figure) as f64,
        }
    }

    /// What is left free at both ends is a part of the whole.
    pub(crate) fn range(&self, free: f64) -> Range<f64> {
        let free = free * (self.ends.1 - self.ends.0);
        self.ends.0 - free..self.ends.1 + free
    }

    /// This part of it, for a chart.
    pub(crate) fn axis(&self, range: Range<f64>) -> Axis<'_> {
        Axis {
            scale: self,
            inner: range.into(),
        }
    }

    fn ticks(&self) -> Vec<f64> {
        self.ticks.iter().map(|(place, _)| *place).collect()
    }

    /// The words of the tick at this place.
    fn words(&self, place: f64) -> String {
        let near = |tick: &&(f64, String)| (tick.0 - place).abs() < 1e-6;
        let tick = self.ticks.iter().find(near);
        tick.map(|(_, words)| words.clone()).unwrap_or_default()
    }
}

/// A scale as the library wants it. Its values are places.
pub(crate) struct Axis<'a> {
    scale: &'a Scale,
    inner: RangedCoordf64,
}

impl Ranged for Axis<'_> {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, place: &f64, pixels: (i32, i32)) -> i32 {
        self.inner.map(place, pixels)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            vec![]
        } else {
            self.scale.ticks()
        }
    }

    fn range(&self) -> Range<f64> {
        self.inner.range()
    }
}

impl ValueFormatter<f64> for Axis<'_> {
    fn format(place: &f64) -> String {
        format!("{place}")
    }

    fn format_ext(&self, place: &f64) -> String {
        self.scale.words(*place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_ten_are_equally_far_apart() {
        let scale = Scale::log(300.0, 2_000_000.0, |value| format!("{value}"));
        assert_eq!(scale.ticks(), [3.0, 4.0, 5.0, 6.0]);
        assert_eq!(scale.words(4.0), "10000");
        assert_eq!(scale.place(1_000.0), 3.0);
    }

    #[test]
    fn zero_has_a_place_in_an_order() {
        let scale = Scale::order(&[0.0, 10.0, 100.0], |value| format!("{value}"));
        let places = [0.0, 10.0, 100.0].map(|figure| scale.place(figure));
        assert_eq!(places, [0.0, 1.0, 2.0]);
        assert_eq!(scale.words(0.0), "0");
    }

    #[test]
    fn steps_end_at_the_end() {
        let scale = Scale::linear(100.0, 50.0, |value| format!("{value}"));
        assert_eq!(scale.ticks(), [0.0, 50.0, 100.0]);
        assert_eq!(scale.range(0.0), 0.0..100.0);
    }
}
