//! Curves, in panels above each other.

use anyhow::anyhow;
use plotters::chart::SeriesLabelPosition;
use plotters::prelude::*;

use crate::palette::{FONT, Hue, INK, WIDTH};

/// Several curves with one scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// What is counted, and in what.
    pub title: String,
    /// The first one is drawn first, so the others are above it.
    pub curves: Vec<Curve>,
    /// Whether the curves are named. One legend is enough for panels that show
    /// the same ones.
    pub legend: bool,
}

/// Points that are connected.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// For the legend.
    pub name: String,
    /// Which colour.
    pub hue: Hue,
    /// How it is drawn.
    pub weight: Weight,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
}

/// How a curve is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// What is around.
    Faint,
    /// What the chart is about: each point is seen.
    Strong,
}

const HEIGHT_OF_PANEL: u32 = 190;

/// Draws the panels; `across` is what goes from left to right.
///
/// # Errors
///
/// - There is no point.
pub fn draw(panels: &[Panel], across: &str) -> anyhow::Result<String> {
    let end = panels
        .iter()
        .filter_map(|panel| panel.bound(|(x, _)| x))
        .reduce(f64::max)
        .ok_or_else(|| anyhow!("there is nothing to draw"))?;
    let mut svg = String::new();
    let size = (WIDTH, HEIGHT_OF_PANEL * panels.len() as u32);
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let areas = area.split_evenly((panels.len(), 1));
        for (index, (panel, area)) in panels.iter().zip(&areas).enumerate() {
            let is_last = index + 1 == panels.len();
            panel
                .draw(area, end, is_last.then_some(across))
                .map_err(|error| anyhow!("{error}"))?;
        }
        area.present()?;
    }
    Ok(svg)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

impl Panel {
    fn draw<'a>(&self, area: &Area<'a>, end: f64, across: Option<&str>) -> Drawn<'a> {
        let top = self.bound(|(_, y)| y).unwrap_or_default().max(1e-9) * 1.15;
        let text = (FONT, 12).into_font().color(&INK);
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, (FONT, 14).into_font().color(&INK))
            .margin(6)
            .margin_right(14)
            .x_label_area_size(if across.is_some() { 36 } else { 18 })
            .y_label_area_size(46)
            .build_cartesian_2d(0.0..end, 0.0..top)?;
        chart
            .configure_mesh()
            .axis_style(INK)
            .bold_line_style(INK.mix(0.3))
            .light_line_style(TRANSPARENT)
            .label_style(text.clone())
            .y_labels(5)
            .y_label_formatter(&|value| short(*value))
            .x_label_formatter(&|value| short(*value))
            .x_desc(across.unwrap_or_default())
            .axis_desc_style(text.clone())
            .draw()?;
        for curve in &self.curves {
            let colour = curve.hue.colour();
            let (style, radius) = match curve.weight {
                Weight::Faint => (colour.mix(0.45).stroke_width(1), 0),
                Weight::Strong => (colour.stroke_width(2), 3),
            };
            let points = curve.points.iter().copied();
            let series = LineSeries::new(points, style).point_size(radius);
            chart
                .draw_series(series)?
                .label(&curve.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
        }
        if !self.legend {
            return Ok(());
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .label_font(text)
            .border_style(TRANSPARENT)
            .background_style(TRANSPARENT)
            .draw()
    }

    /// The greatest of one coordinate.
    fn bound(&self, of: fn((f64, f64)) -> f64) -> Option<f64> {
        let points = self.curves.iter().flat_map(|curve| &curve.points);
        points.map(|point| of(*point)).reduce(f64::max)
    }
}

/// As many digits as the scale needs.
fn short(value: f64) -> String {
    let digits = usize::from(value.fract() != 0.0);
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(points: &[(f64, f64)]) -> Panel {
        Panel {
            title: "Things".to_owned(),
            legend: true,
            curves: vec![Curve {
                name: "ours".to_owned(),
                hue: Hue::Orange,
                weight: Weight::Strong,
                points: points.to_vec(),
            }],
        }
    }

    #[test]
    fn a_chart_has_its_words_and_a_transparent_background() {
        let svg = draw(
            &[panel(&[(0.0, 1.0), (2.0, 3.0)]), panel(&[(1.0, 1.0)])],
            "minutes",
        )
        .unwrap();
        for word in ["Things", "ours", "minutes"] {
            assert!(svg.contains(word), "{word}");
        }
        assert!(svg.trim_end().ends_with("</svg>"), "it is whole");
        assert!(svg.to_uppercase().contains("#D9731A"));
        // Either would vanish on one of the two kinds of page.
        for colour in ["#000000", "#FFFFFF"] {
            for opaque in svg.lines().filter(|line| line.contains(colour)) {
                assert!(opaque.contains("opacity=\"0\""), "{opaque}");
            }
        }
    }

    #[test]
    fn nothing_is_not_drawn() {
        assert!(draw(&[panel(&[])], "minutes").is_err());
        assert!(draw(&[], "minutes").is_err());
    }
}
