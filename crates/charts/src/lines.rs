//! Curves beside each other, each with its name where it ends.

use plotters::prelude::*;

use crate::canvas::{Area, Font, PLAIN, Side, TEXT, TITLE, UNSURE, line, mark, svg, told, write};
use crate::palette::{FONT, Hue, INK, Mark, WIDTH};
use crate::scale::Scale;

/// One or more panels beside each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Lines {
    /// Pixels.
    pub height: u32,
    /// From left to right.
    pub panels: Vec<Plot>,
}

/// Several curves with one scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// What goes upwards.
    pub title: String,
    /// What goes from left to right.
    pub across: String,
    /// From left to right.
    pub x: Scale,
    /// Upwards.
    pub y: Scale,
    /// The last one is on top.
    pub lines: Vec<Line>,
    /// Pixels for the names at the right.
    pub names: u32,
    /// The first figure is apart from the others, as 0 is from the powers of ten.
    pub first_apart: bool,
    /// A line from left to right, and its words.
    pub level: Option<(f64, String)>,
    /// A line upwards, and its words.
    pub post: Option<(f64, String)>,
}

/// A curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Beside its last point, if it has one of its own.
    pub name: Option<String>,
    /// Its colour.
    pub hue: Hue,
    /// The shape of its points.
    pub mark: Mark,
    /// Whether it is interrupted.
    pub dashed: bool,
    /// Whether its name is to be seen first.
    pub strong: bool,
    /// From left to right.
    pub points: Vec<Point>,
}

/// A point of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// To the right.
    pub x: f64,
    /// Upwards.
    pub y: f64,
    /// Whether it is conclusive.
    pub sure: bool,
}

/// Pixels between the middles of two names.
const NAMES_APART: i32 = 16;

impl Lines {
    /// The chart as SVG.
    ///
    /// # Errors
    ///
    /// - What the library says.
    pub fn draw(&self) -> anyhow::Result<String> {
        svg((WIDTH, self.height), |root| {
            let areas = root.split_evenly((1, self.panels.len()));
            self.panels
                .iter()
                .zip(&areas)
                .try_for_each(|(plot, area)| plot.draw(root, area))
        })
    }
}

impl Plot {
    /// Draws the panel on its area, and the marks and words on the whole.
    fn draw(&self, root: &Area<'_>, area: &Area<'_>) -> anyhow::Result<()> {
        let text = (FONT, TEXT).into_font().color(&INK);
        let x = self.x.range(0.04);
        let y = self.y.range(0.0);
        let mut chart = ChartBuilder::on(area)
            .margin_top(26)
            .margin_right(self.names)
            .margin_bottom(4)
            .x_label_area_size(44)
            .y_label_area_size(56)
            .build_cartesian_2d(self.x.axis(x.clone()), self.y.axis(y.clone()))
            .map_err(told)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .axis_style(INK.mix(0.5))
            .bold_line_style(INK.mix(0.3))
            .light_line_style(TRANSPARENT)
            .label_style(text.clone())
            .x_desc(&self.across)
            .axis_desc_style(text)
            .draw()
            .map_err(told)?;
        let corner = area.get_base_pixel();
        write(
            root,
            &self.title,
            (corner.0 + 8, corner.1 + 12),
            Side::Left,
            TITLE,
        )?;

        let level = |value: f64| {
            let at = self.y.place(value);
            [(x.start, at), (x.end, at)]
        };
        let post = |value: f64| {
            let at = self.x.place(value);
            [(at, y.start), (at, y.end)]
        };
        let straight = [
            self.level.as_ref().map(|(value, _)| level(*value)),
            self.post.as_ref().map(|(value, _)| post(*value)),
        ];
        for ends in straight.into_iter().flatten() {
            let series = DashedLineSeries::new(ends, 3, 4, INK.stroke_width(1));
            chart.draw_series(series).map_err(told)?;
        }
        if let Some((value, words)) = &self.level {
            let at = chart.backend_coord(&level(*value)[1]);
            write(root, words, (at.0 - 4, at.1 - 9), Side::Right, PLAIN)?;
        }
        if let Some((value, words)) = &self.post {
            let at = chart.backend_coord(&post(*value)[1]);
            write(root, words, (at.0 + 5, at.1 + 8), Side::Left, PLAIN)?;
        }

        let mut ends = Vec::new();
        for curve in &self.lines {
            let style = curve.hue.colour().stroke_width(2);
            let faint = curve.hue.colour().mix(0.5).stroke_width(1);
            let place = |point: &Point| (self.x.place(point.x), self.y.place(point.y));
            let places: Vec<_> = curve.points.iter().map(place).collect();
            let (bridge, whole) = match &*places {
                [_, _, ..] if self.first_apart => (&places[..2], &places[1..]),
                all => (&all[..0], all),
            };
            let bridge = DashedLineSeries::new(bridge.to_vec(), 2, 4, faint);
            chart.draw_series(bridge).map_err(told)?;
            if curve.dashed {
                let series = DashedLineSeries::new(whole.to_vec(), 6, 4, style);
                chart.draw_series(series).map_err(told)?;
            } else {
                let series = LineSeries::new(whole.to_vec(), style);
                chart.draw_series(series).map_err(told)?;
            }
            for (point, place) in curve.points.iter().zip(&places) {
                let at = chart.backend_coord(place);
                mark(root, at, curve.mark, curve.hue, point.sure)?;
            }
            if let (Some(name), Some(last)) = (&curve.name, places.last()) {
                let font = Font {
                    hue: curve.hue,
                    bold: curve.strong,
                };
                ends.push((chart.backend_coord(last), name, font));
            }
        }
        if self.first_apart {
            // Between the first figure and the second one.
            let at = chart.backend_coord(&(0.5, y.start));
            for by in [-3, 2] {
                let stroke = [(at.0 + by - 2, at.1 + 5), (at.0 + by + 3, at.1 - 5)];
                line(root, &stroke, INK)?;
            }
        }

        let right = chart.backend_coord(&(x.end, y.start)).0;
        let mut points = self.lines.iter().flat_map(|curve| &curve.points);
        if points.any(|point| !point.sure) {
            let (width, height) = area.dim_in_pixel();
            let at = (corner.0 + width as i32 - 6, corner.1 + height as i32 - 12);
            write(root, UNSURE, at, Side::Right, PLAIN)?;
        }
        let heights: Vec<_> = ends.iter().map(|end| end.0.1).collect();
        for ((from, name, font), height) in ends.iter().zip(apart(&heights, NAMES_APART)) {
            let leader = [(from.0 + 8, from.1), (right + 4, height)];
            line(root, &leader, font.hue.colour().mix(0.6))?;
            write(root, name, (right + 8, height), Side::Left, *font)?;
        }
        Ok(())
    }
}

/// Moves heights until they are so far apart, each as little as may be: those that
/// are too near to each other share what it takes.
fn apart(heights: &[i32], gap: i32) -> Vec<i32> {
    let mut order: Vec<_> = (0..heights.len()).collect();
    order.sort_by_key(|index| heights[*index]);
    // Of each pile how many there are in it, and the sum of where the first of
    // them would be if it were for one of them alone.
    let mut piles: Vec<(i32, i32)> = Vec::new();
    for index in &order {
        piles.push((1, heights[*index]));
        while let [.., (above, top), (count, sum)] = &mut *piles {
            // The mean of the lower one has to leave room for the upper one.
            if *sum * *above >= (*top + gap * *above * *above) * *count {
                break;
            }
            *top += *sum - gap * *above * *count;
            *above += *count;
            piles.pop();
        }
    }
    let mut moved = vec![0; heights.len()];
    let mut order = order.into_iter();
    for (count, sum) in piles {
        for (index, step) in order.by_ref().take(count as usize).zip(0..) {
            moved[index] = sum / count + gap * step;
        }
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_apart_and_near_their_points() {
        assert_eq!(apart(&[10, 100], 16), [10, 100]);
        assert_eq!(apart(&[100, 100], 16), [92, 108]);
        assert_eq!(apart(&[110, 100, 104], 16), [120, 88, 104]);
        // The pile in the middle pushes the others away.
        assert_eq!(apart(&[50, 100, 100, 110], 16), [50, 87, 103, 119]);
        assert_eq!(apart(&[], 16), [] as [i32; 0]);
    }

    #[test]
    fn a_name_stands_beside_its_line() {
        let words = |value: f64| format!("{value} items");
        let line = |name: &str, y: f64| Line {
            name: Some(name.to_owned()),
            hue: Hue::Blue,
            mark: Mark::Circle,
            dashed: false,
            strong: false,
            points: [0.0, 10.0, 100.0]
                .map(|x| Point { x, y, sure: true })
                .to_vec(),
        };
        let plot = Plot {
            title: "Upwards".to_owned(),
            across: "Across".to_owned(),
            x: Scale::order(&[0.0, 10.0, 100.0], words),
            y: Scale::log(1.0, 1_000.0, words),
            lines: vec![line("one", 20.0), line("another", 20.0)],
            names: 100,
            first_apart: true,
            level: Some((50.0, "level".to_owned())),
            post: None,
        };
        let lines = Lines {
            height: 300,
            panels: vec![plot],
        };
        let svg = lines.draw().unwrap();
        for word in ["one", "another", "Upwards", "Across", "100 items", "level"] {
            assert!(svg.contains(&format!("\n{word}\n")), "{word} in {svg}");
        }
        assert_eq!(svg, lines.draw().unwrap());
    }
}
