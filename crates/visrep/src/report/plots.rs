//! The report's plots, drawn as SVG.
//!
//! Colours follow the models through every plot, so that a reader learns them once.

use plotters::coord::ranged1d::{KeyPointHint, Ranged};
use plotters::prelude::*;

/// The colour of model `index` in tables and plots, as CSS.
pub const MODEL_COLOURS: [&str; 6] = ["#8a8f98", "#1d6fd8", "#d9622b", "#2f9e62", "#8a4fd0", "#b8860b"];

/// One line in a plot: a name, the index of its colour and its points.
pub struct Series<'a> {
    /// Shown in the legend.
    pub name: &'a str,
    /// Index into [`MODEL_COLOURS`].
    pub colour: usize,
    /// `(x, y)` in the plot's units.
    pub points: Vec<(f64, f64)>,
}

/// One bar of a reliability diagram: mean confidence and accuracy of the samples in one bin.
pub struct ReliabilityBar {
    /// Left edge of the bin.
    pub low: f64,
    /// Right edge of the bin.
    pub high: f64,
    /// Share of right answers in 0..=1; `None` for an empty bin.
    pub accuracy: Option<f64>,
    /// Share of all samples that fall in the bin.
    pub share: f64,
}

const TEXT: RGBColor = RGBColor(0x4a, 0x50, 0x5a);
const GRID: RGBColor = RGBColor(0xe6, 0xe8, 0xec);
const FONT: &str = crate::font::FAMILY;

/// Accuracy in percent against corruption severity, 0 (clean) to 5.
pub fn accuracy_against_severity(
    title: &str,
    series: &[Series<'_>],
    size: (u32, u32),
) -> Result<String, PlotError> {
    let small = size.0 < 300;
    draw(size, |root| {
        let mut chart = ChartBuilder::on(root)
            .margin(if small { 4 } else { 10 })
            .caption(title, (FONT, if small { 13 } else { 16 }).into_font().color(&TEXT))
            .x_label_area_size(if small { 18 } else { 36 })
            .y_label_area_size(if small { 30 } else { 46 })
            .build_cartesian_2d(Severities, 0.0..100.0)?;
        let label = |severity: &f64| match severity.round() as i64 {
            0 if !small => "clean".to_owned(),
            severity => severity.to_string(),
        };
        let mut mesh = chart.configure_mesh();
        mesh.light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(GRID)
            .label_style((FONT, if small { 10 } else { 12 }).into_font().color(&TEXT))
            .y_labels(if small { 3 } else { 6 })
            .x_label_formatter(&label);
        if !small {
            mesh.x_desc("severity").y_desc("accuracy, %");
        }
        mesh.draw()?;
        for line in series {
            let colour = model_colour(line.colour);
            let drawn =
                chart.draw_series(LineSeries::new(line.points.iter().copied(), colour.stroke_width(2)))?;
            if !small {
                drawn
                    .label(line.name)
                    .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3)));
            }
            let radius = if small { 2 } else { 3 };
            chart
                .draw_series(line.points.iter().map(|&point| Circle::new(point, radius, colour.filled())))?;
        }
        if !small {
            chart
                .configure_series_labels()
                .position(legend_corner(series, (0.0, 5.0), (0.0, 100.0)))
                .background_style(WHITE.mix(0.85))
                .border_style(GRID)
                .label_font((FONT, 12).into_font().color(&TEXT))
                .draw()?;
        }
        Ok(())
    })
}

/// The corner in which a legend hides the fewest points, of a plot with these ranges.
fn legend_corner(series: &[Series<'_>], x: (f64, f64), y: (f64, f64)) -> SeriesLabelPosition {
    // About what a legend takes of width and height.
    let (wide, tall) = (0.4, (0.06 + 0.07 * series.len() as f64).min(0.5));
    let share = |value: f64, (low, high): (f64, f64)| (value - low) / (high - low).max(1e-9);
    let hidden = |&(_, is_right, is_upper): &(SeriesLabelPosition, bool, bool)| {
        let points = series.iter().flat_map(|line| &line.points).filter(|point| {
            let (across, up) = (share(point.0, x), share(point.1, y));
            let across = if is_right { across > 1.0 - wide } else { across < wide };
            let up = if is_upper { up > 1.0 - tall } else { up < tall };
            across && up
        });
        points.count()
    };
    let corners = [
        (SeriesLabelPosition::LowerLeft, false, false),
        (SeriesLabelPosition::LowerRight, true, false),
        (SeriesLabelPosition::UpperRight, true, true),
        (SeriesLabelPosition::UpperLeft, false, true),
    ];
    corners.into_iter().min_by_key(hidden).map_or(SeriesLabelPosition::LowerLeft, |corner| corner.0)
}

/// Values against those of a factor of variation, such as an angle. The axis begins at 0, or below where values do, and goes to `full` at
/// least.
pub fn against_value(
    factor: &str,
    axis: &str,
    full: f64,
    series: &[Series<'_>],
) -> Result<String, PlotError> {
    let all = || series.iter().flat_map(|line| line.points.iter().copied());
    let range = |values: &mut dyn Iterator<Item = f64>| {
        values
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    };
    let (left, right) = range(&mut all().map(|point| point.0));
    let (lowest, highest) = range(&mut all().map(|point| point.1));
    let margin = 0.02 * (right - left).max(1e-9);
    draw((420, 300), |root| {
        let mut chart = ChartBuilder::on(root)
            .margin(10)
            .caption(factor, (FONT, 16).into_font().color(&TEXT))
            .x_label_area_size(36)
            .y_label_area_size(46)
            .build_cartesian_2d(left - margin..right + margin, lowest.min(0.0)..highest.max(full))?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(GRID)
            .label_style((FONT, 12).into_font().color(&TEXT))
            .y_labels(6)
            .x_desc(factor)
            .y_desc(axis)
            .draw()?;
        for line in series {
            let colour = model_colour(line.colour);
            let points = || line.points.iter().copied();
            chart
                .draw_series(LineSeries::new(points(), colour.stroke_width(2)))?
                .label(line.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3)));
            chart.draw_series(points().map(|point| Circle::new(point, 2, colour.filled())))?;
        }
        chart
            .configure_series_labels()
            .position(legend_corner(series, (left, right), (lowest.min(0.0), highest.max(full))))
            .background_style(WHITE.mix(0.85))
            .border_style(GRID)
            .label_font((FONT, 12).into_font().color(&TEXT))
            .draw()?;
        Ok(())
    })
}

/// A reliability diagram: accuracy in each confidence bin, beside the diagonal of perfect calibration.
/// The bars are as opaque as their bins are full.
pub fn reliability(title: &str, colour: usize, bars: &[ReliabilityBar]) -> Result<String, PlotError> {
    draw((250, 240), |root| {
        let mut chart = ChartBuilder::on(root)
            .margin(8)
            .caption(title, (FONT, 13).into_font().color(&TEXT))
            .x_label_area_size(32)
            .y_label_area_size(38)
            .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(GRID)
            .label_style((FONT, 10).into_font().color(&TEXT))
            .x_labels(5)
            .y_labels(5)
            .x_desc("confidence")
            .y_desc("accuracy")
            .draw()?;
        let colour = model_colour(colour);
        let fullest = bars.iter().map(|bar| bar.share).fold(1e-9, f64::max);
        chart.draw_series(bars.iter().filter_map(|bar| {
            let opacity = 0.25 + 0.75 * (bar.share / fullest).sqrt();
            bar.accuracy.map(|accuracy| {
                Rectangle::new([(bar.low, 0.0), (bar.high, accuracy)], colour.mix(opacity).filled())
            })
        }))?;
        chart.draw_series(LineSeries::new([(0.0, 0.0), (1.0, 1.0)], TEXT.mix(0.6).stroke_width(1)))?;
        Ok(())
    })
}

/// A value with its interval, of one model in one category.
pub struct Point {
    /// Index of the category.
    pub category: usize,
    /// Index into [`MODEL_COLOURS`].
    pub model: usize,
    /// In the plot's unit.
    pub value: f64,
    /// The interval's ends in the same, where there is one.
    pub interval: Option<(f64, f64)>,
}

/// Values from 0 on by category, one beside the other: a dot for each model with its interval.
pub fn by_category(
    title: &str,
    categories: &[String],
    models: usize,
    points: &[Point],
) -> Result<String, PlotError> {
    const ROW: u32 = 22;
    let high =
        points.iter().map(|point| point.interval.map_or(point.value, |(_, high)| high)).fold(0.0, f64::max);
    let top = round_up(high);
    let longest = categories.iter().map(|name| name.chars().count()).max().unwrap_or_default() as u32;
    let rows = categories.len();
    draw((640, 60 + ROW * rows as u32), |root| {
        let mut chart = ChartBuilder::on(root)
            .margin(8)
            .margin_right(18)
            .caption(title, (FONT, 14).into_font().color(&TEXT))
            .x_label_area_size(22)
            .y_label_area_size((7 * longest + 14).min(260))
            .build_cartesian_2d(0.0..top, (rows as f64 - 0.5)..-0.5)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(GRID)
            .disable_y_mesh()
            .y_labels(0)
            .x_labels(6)
            .label_style((FONT, 11).into_font().color(&TEXT))
            .draw()?;
        let area = chart.plotting_area();
        let (left, _) = area.get_pixel_range();
        let style = (FONT, 11).into_font().color(&TEXT).pos(plotters::style::text_anchor::Pos::new(
            plotters::style::text_anchor::HPos::Right,
            plotters::style::text_anchor::VPos::Center,
        ));
        for (row, name) in categories.iter().enumerate() {
            let (_, y) = area.map_coordinate(&(0.0, row as f64));
            root.draw_text(name, &style, (left.start - 8, y))?;
        }
        let spread = 0.6 / models.max(1) as f64;
        for point in points {
            let colour = model_colour(point.model);
            let offset = (point.model as f64 - (models.max(1) - 1) as f64 / 2.0) * spread;
            let y = point.category as f64 + offset;
            if let Some((low, high)) = point.interval {
                chart
                    .draw_series(LineSeries::new([(low, y), (high, y)], colour.mix(0.55).stroke_width(3)))?;
            }
            chart.draw_series([Circle::new((point.value, y), 3, colour.filled())])?;
        }
        Ok(())
    })
}

/// The end of an axis that has `value` on it: one significant digit, or the next half of it where values are beyond 100.
fn round_up(value: f64) -> f64 {
    if !(value.is_finite() && value > 0.0) {
        return 1.0;
    }
    let step = if value > 100.0 { 50.0 } else { 10_f64.powf((value * 0.999_999).log10().floor()) };
    (value / step * 0.999_999).ceil() * step
}

/// One point of a cloud.
pub struct Mark {
    /// From left to right.
    pub x: f64,
    /// From the bottom.
    pub y: f64,
    /// The ends of y's interval.
    pub interval: Option<(f64, f64)>,
    /// Whether it stands out.
    pub marked: bool,
}

/// A cloud of points, with what the two axes are. The axes hold the points and no more.
pub fn scatter(title: &str, axes: (&str, &str), points: &[Mark]) -> Result<String, PlotError> {
    let range = |values: &mut dyn Iterator<Item = f64>| {
        let (low, high) = values
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let margin = (0.06 * (high - low)).max(0.5);
        low - margin..high + margin
    };
    let across = range(&mut points.iter().map(|point| point.x));
    let ends = |point: &Mark| point.interval.map_or([point.y; 2], |(low, high)| [low, high]);
    let up = range(&mut points.iter().flat_map(ends));
    draw((420, 300), |root| {
        let mut chart = ChartBuilder::on(root)
            .margin(10)
            .caption(title, (FONT, 16).into_font().color(&TEXT))
            .x_label_area_size(36)
            .y_label_area_size(46)
            .build_cartesian_2d(across, up)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(GRID)
            .label_style((FONT, 12).into_font().color(&TEXT))
            .y_labels(6)
            .x_desc(axes.0)
            .y_desc(axes.1)
            .draw()?;
        for point in points {
            let colour = model_colour(usize::from(point.marked));
            let [low, high] = ends(point);
            chart.draw_series(LineSeries::new(
                [(point.x, low), (point.x, high)],
                colour.mix(0.55).stroke_width(2),
            ))?;
            chart.draw_series([Circle::new((point.x, point.y), 4, colour.filled())])?;
        }
        Ok(())
    })
}

/// Why a plot could not be drawn; in practice only when memory runs out.
pub type PlotError = Box<dyn std::error::Error + Send + Sync>;

type Root<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn draw(
    size: (u32, u32),
    body: impl FnOnce(&Root<'_>) -> Result<(), Box<dyn std::error::Error>>,
) -> Result<String, PlotError> {
    crate::font::register();
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        body(&root).map_err(|error| PlotError::from(error.to_string()))?;
        root.present()?;
    }
    // A view box instead of a fixed size lets the page scale the plot.
    let fixed = format!("width=\"{}\" height=\"{}\" viewBox", size.0, size.1);
    Ok(svg.replacen(&fixed, "role=\"img\" viewBox", 1))
}

fn model_colour(index: usize) -> RGBColor {
    let hex = MODEL_COLOURS[index % MODEL_COLOURS.len()];
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap_or_default();
    RGBColor(byte(1), byte(3), byte(5))
}

/// The x axis of severities: a key point at each whole number from 0 to 5.
struct Severities;

impl Ranged for Severities {
    type FormatOption = plotters::coord::ranged1d::DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let margin = 0.2;
        limit.0 + ((value + margin) / (5.0 + 2.0 * margin) * f64::from(limit.1 - limit.0)) as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        (0..=5).map(f64::from).collect()
    }

    fn range(&self) -> std::ops::Range<f64> {
        -0.2..5.2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_plot_names_its_series_and_scales_with_the_page() {
        let points = (0..=5).map(|s| (f64::from(s), 90.0 - 10.0 * f64::from(s))).collect();
        let series = [Series { name: "SimCLR", colour: 1, points }];
        let svg = accuracy_against_severity("digits", &series, (420, 300)).unwrap();
        assert!(svg.contains("SimCLR") && svg.contains("digits") && svg.contains("#1D6FD8"));
        assert!(
            svg.contains("role=\"img\" viewBox") && !svg.contains("width=\"420\" height=\"300\" viewBox")
        );
    }

    #[test]
    fn a_legend_hides_no_points_where_it_can() {
        let line = |y: fn(f64) -> f64| {
            let points = (0..=10).map(|x| f64::from(x) / 10.0).map(|x| (x, y(x))).collect();
            Series { name: "a", colour: 0, points }
        };
        let corner = |lines: &[Series<'_>]| legend_corner(lines, (0.0, 1.0), (0.0, 1.0));
        let is = |lines: &[Series<'_>], expected| {
            std::mem::discriminant(&corner(lines)) == std::mem::discriminant(&expected)
        };
        assert!(is(&[line(|x| 1.0 - x)], SeriesLabelPosition::LowerLeft));
        assert!(is(&[line(|x| x)], SeriesLabelPosition::LowerRight));
        assert!(is(&[line(|_| 0.0)], SeriesLabelPosition::UpperRight));
        assert!(is(&[line(|_| 0.0), line(|_| 1.0), line(|x| x)], SeriesLabelPosition::LowerRight));
        assert!(is(&[line(|_| 0.0), line(|x| x)], SeriesLabelPosition::UpperLeft));
    }

    #[test]
    fn categories_are_named_and_points_drawn() {
        let names = ["original".to_owned(), "mixed_rand".to_owned()];
        let point = |category, model| Point { category, model, value: 40.0, interval: Some((30.0, 50.0)) };
        let svg = by_category("top-1", &names, 2, &[point(0, 0), point(1, 0), point(0, 1)]).unwrap();
        assert!(svg.contains("mixed_rand") && svg.contains("original") && svg.contains("top-1"));
        assert_eq!(svg.matches("<circle").count(), 3);
    }

    #[test]
    fn an_axis_ends_at_a_round_number() {
        let values = [0.0, 0.43, 0.4, 1.0, 1.2, 7.0, 83.0, 100.0, 110.0, 151.0];
        let ends = [1.0, 0.5, 0.4, 1.0, 2.0, 7.0, 90.0, 100.0, 150.0, 200.0];
        for (value, end) in values.into_iter().zip(ends) {
            assert!((round_up(value) - end).abs() < 1e-9, "{value}: {}", round_up(value));
        }
    }

    #[test]
    fn empty_bins_have_no_bar() {
        let bar = |low: f64, accuracy| ReliabilityBar { low, high: low + 0.5, accuracy, share: 0.5 };
        let full = reliability("m", 0, &[bar(0.0, Some(0.4)), bar(0.5, Some(0.8))]).unwrap();
        let half = reliability("m", 0, &[bar(0.0, None), bar(0.5, Some(0.8))]).unwrap();
        assert_eq!(full.matches("<rect").count(), half.matches("<rect").count() + 1);
    }
}
