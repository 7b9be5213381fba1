//! Rows of points, in columns that share the names of the rows.

use plotters::prelude::*;

use crate::canvas::{Area, PLAIN, Side, TEXT, TITLE, UNSURE, line, mark, svg, told, width, write};
use crate::palette::{FONT, Hue, INK, Mark, WIDTH};
use crate::scale::Scale;

/// A table with points in place of figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Dots {
    /// The names at the left, from top to bottom.
    pub rows: Vec<String>,
    /// Pixels for these.
    pub names: u32,
    /// From left to right.
    pub columns: Vec<Column>,
    /// What the marks mean.
    pub key: Vec<(Mark, Hue, String)>,
}

/// A column with a scale of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// What it shows.
    pub title: String,
    /// From left to right.
    pub scale: Scale,
    /// Its part of the width, beside the parts of the others.
    pub share: u32,
    /// Pixels for the words of its cells, and a title for them, if they are to stand
    /// at the right and not beside the points.
    pub aside: Option<(u32, String)>,
    /// A figure that all are beside.
    pub level: Option<f64>,
    /// One for each row.
    pub cells: Vec<Cell>,
}

/// A row in one column.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cell {
    /// From here to there.
    pub bar: Option<(f64, f64, Hue)>,
    /// On the bar.
    pub dots: Vec<Dot>,
    /// At the right of all that, or aside.
    pub words: String,
}

/// A point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dot {
    /// Its figure.
    pub at: f64,
    /// Its shape.
    pub mark: Mark,
    /// Its colour.
    pub hue: Hue,
    /// Whether it is conclusive.
    pub sure: bool,
}

const ROW: u32 = 22;
const TOP: i32 = 28;
const BOTTOM: u32 = 24;
const KEY: i32 = 26;

impl Dots {
    /// The chart as SVG.
    ///
    /// # Errors
    ///
    /// - What the library says.
    pub fn draw(&self) -> anyhow::Result<String> {
        let head = if self.key.is_empty() { 0 } else { KEY };
        let height = ROW * self.rows.len() as u32 + BOTTOM;
        let size = (WIDTH, height + (head + TOP) as u32);
        svg(size, |root| {
            self.draw_key(root)?;
            for (index, row) in self.rows.iter().enumerate() {
                let y = head + TOP + (ROW as usize * index + ROW as usize / 2) as i32;
                let at = (self.names as i32 - 8, y);
                write(root, row, at, Side::Right, PLAIN)?;
            }
            let shares: u32 = self.columns.iter().map(|column| column.share).sum();
            let mut left = self.names;
            for column in &self.columns {
                let across = (WIDTH - self.names) * column.share / shares;
                let place = (left as i32, head + TOP);
                let area = root.clone().shrink(place, (across, height));
                let title = (place.0, head + 12);
                write(root, &column.title, title, Side::Left, TITLE)?;
                if let Some((width, title)) = &column.aside {
                    let right = (place.0 + (across - width) as i32 + 10, head + 12);
                    write(root, title, right, Side::Left, TITLE)?;
                }
                column.draw(root, &area, self.rows.len())?;
                left += across;
            }
            Ok(())
        })
    }

    fn draw_key(&self, root: &Area<'_>) -> anyhow::Result<()> {
        let mut x = 12;
        for (shape, hue, words) in &self.key {
            mark(root, (x, 12), *shape, *hue, true)?;
            write(root, words, (x + 10, 12), Side::Left, PLAIN)?;
            x += width(words) + 34;
        }
        let mut cells = self.columns.iter().flat_map(|column| &column.cells);
        if cells.any(|cell| cell.dots.iter().any(|dot| !dot.sure)) {
            mark(root, (x, 12), Mark::Circle, Hue::Grey, false)?;
            write(root, UNSURE, (x + 10, 12), Side::Left, PLAIN)?;
        }
        Ok(())
    }
}

impl Column {
    fn draw(&self, root: &Area<'_>, area: &Area<'_>, rows: usize) -> anyhow::Result<()> {
        let range = self.scale.range(0.0);
        let y = 0.0..rows as f64;
        let between = Scale::linear(y.end, 1.0, |_| String::new());
        let mut chart = ChartBuilder::on(area)
            .margin_right(self.aside.as_ref().map_or(16, |(width, _)| *width))
            .x_label_area_size(BOTTOM)
            .build_cartesian_2d(self.scale.axis(range.clone()), between.axis(y.end..y.start))
            .map_err(told)?;
        chart
            .configure_mesh()
            .axis_style(TRANSPARENT)
            .bold_line_style(INK.mix(0.25))
            .light_line_style(TRANSPARENT)
            .label_style((FONT, TEXT).into_font().color(&INK))
            .draw()
            .map_err(told)?;
        if let Some(level) = self.level {
            let at = self.scale.place(level);
            let ends = [(at, y.start), (at, y.end)];
            let series = DashedLineSeries::new(ends, 4, 3, INK.stroke_width(2));
            chart.draw_series(series).map_err(told)?;
        }
        let at = |row: usize, figure: f64| {
            let place = (self.scale.place(figure), row as f64 + 0.5);
            chart.backend_coord(&place)
        };
        for (row, cell) in self.cells.iter().enumerate() {
            if let Some((from, to, hue)) = cell.bar {
                let style = hue.colour().mix(0.55).stroke_width(7);
                line(root, &[at(row, from), at(row, to)], style)?;
            }
            for dot in &cell.dots {
                mark(root, at(row, dot.at), dot.mark, dot.hue, dot.sure)?;
            }
            if self.aside.is_some() {
                let (x, y) = chart.backend_coord(&(range.end, row as f64 + 0.5));
                write(root, &cell.words, (x + 10, y), Side::Left, PLAIN)?;
                continue;
            }
            let ends = cell.bar.map(|(_, to, _)| to);
            let figures = cell.dots.iter().map(|dot| dot.at).chain(ends);
            if let Some(last) = figures.reduce(f64::max) {
                let (x, y) = at(row, last);
                write(root, &cell.words, (x + 10, y), Side::Left, PLAIN)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_columns_have_their_words() {
        let cell = |figure: f64| Cell {
            bar: Some((0.0, figure, Hue::Blue)),
            dots: vec![Dot {
                at: figure,
                mark: Mark::Diamond,
                hue: Hue::Orange,
                sure: figure < 2.0,
            }],
            words: format!("{figure} apples"),
        };
        let column = Column {
            title: "Fruit".to_owned(),
            scale: Scale::linear(4.0, 2.0, |value| format!("{value}")),
            share: 1,
            aside: None,
            level: Some(1.0),
            cells: vec![cell(1.0), cell(3.0)],
        };
        let dots = Dots {
            rows: vec!["first".to_owned(), "second".to_owned()],
            names: 100,
            columns: vec![column],
            key: vec![(Mark::Circle, Hue::Blue, "ours".to_owned())],
        };
        let svg = dots.draw().unwrap();
        for word in ["Fruit", "first", "second", "ours", "3 apples", "4"] {
            assert!(svg.contains(&format!("\n{word}\n")), "{word} in {svg}");
        }
    }
}
