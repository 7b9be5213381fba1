//! The statistics of a cell of the table: medians, because one round that the
//! machine disturbed must not count, and the spread that tells how many were.

/// Above this spread a row says nothing.
pub(crate) const INCONCLUSIVE_ABOVE: f64 = 0.15;

/// The middle and the spread of the rounds of one cell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Summary {
    /// The median, in the unit of the values.
    pub(crate) median: f64,
    /// The interquartile range divided by the median.
    pub(crate) spread: f64,
    /// The lowest, in the unit of the values: what is left when nothing else
    /// happens on the machine.
    pub(crate) lowest: f64,
}

impl Summary {
    /// Summarises `values`, in any order.
    ///
    /// # Panics
    ///
    /// - If there are none, or one is not a number.
    pub(crate) fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(|a, b| a.partial_cmp(b).expect("a duration is a number"));
        let median = quantile(&sorted, 0.5);
        let range = quantile(&sorted, 0.75) - quantile(&sorted, 0.25);
        let spread = if median == 0.0 { 0.0 } else { range / median };
        Self {
            median,
            spread,
            lowest: sorted[0],
        }
    }
}

/// The `q` quantile of values in ascending order, interpolated linearly
/// between the two nearest (the default of R and of NumPy).
fn quantile(sorted: &[f64], q: f64) -> f64 {
    assert!(!sorted.is_empty(), "a cell has at least one round");
    let position = q * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = position.ceil() as usize;
    sorted[below] + (sorted[above] - sorted[below]) * position.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_is_its_own_median() {
        assert_eq!(
            Summary::of(&[7.0]),
            Summary {
                median: 7.0,
                spread: 0.0,
                lowest: 7.0
            }
        );
    }

    #[test]
    fn the_order_of_the_values_does_not_matter() {
        let rounds = [9.0, 1.0, 5.0, 3.0, 7.0];
        assert_eq!(
            Summary::of(&rounds),
            Summary {
                median: 5.0,
                spread: 0.8,
                lowest: 1.0
            }
        );
    }

    #[test]
    fn an_even_number_of_values_is_interpolated() {
        let summary = Summary::of(&[1.0, 2.0, 3.0, 4.0]);
        assert_eq!(summary.median, 2.5);
        assert_eq!(summary.spread, (3.25 - 1.75) / 2.5);
    }

    #[test]
    fn one_disturbed_round_moves_neither() {
        let mut rounds = [100.0; 9];
        rounds[4] = 100_000.0;
        assert_eq!(
            Summary::of(&rounds),
            Summary {
                median: 100.0,
                spread: 0.0,
                lowest: 100.0
            }
        );
    }

    #[test]
    fn zeros_have_no_spread() {
        assert_eq!(
            Summary::of(&[0.0, 0.0]),
            Summary {
                median: 0.0,
                spread: 0.0,
                lowest: 0.0
            }
        );
    }

    #[test]
    #[should_panic(expected = "at least one round")]
    fn nothing_has_no_median() {
        Summary::of(&[]);
    }
}
