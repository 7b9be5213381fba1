//! Figures as text.

/// A whole number, with a comma before each group of three digits.
pub(crate) fn whole(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Two digits after the point, and so many that two of them say something.
pub(crate) fn ratio(value: f64) -> String {
    let decimals = match value {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        v if v >= 0.0995 => 2,
        v if v >= 0.00995 => 3,
        v if v >= 0.000_995 => 4,
        _ => 5,
    };
    format!("{value:.decimals$}")
}

/// Three digits and a unit.
pub(crate) fn time(ns: f64) -> String {
    let (value, unit) = match ns {
        v if v < 999.5 => (v, "ns"),
        v if v < 999_500.0 => (v / 1e3, "µs"),
        v if v < 999_500_000.0 => (v / 1e6, "ms"),
        v => (v / 1e9, "s"),
    };
    let decimals = match value {
        v if unit == "ns" || v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.decimals$} {unit}")
}

/// Two times in the unit of the second one.
pub(crate) fn between(least: f64, most: f64) -> String {
    let (one, other) = (time(least), time(most));
    let unit = |time: &str| time.rsplit(' ').next().map(str::to_owned);
    match (unit(&one).as_deref(), unit(&other).as_deref()) {
        (Some("ns"), Some("µs")) => format!("{:.2} – {other}", least / 1e3),
        (unit, same) if unit == same => {
            let one = one.split(' ').next().unwrap_or_default();
            format!("{one} – {other}")
        }
        _ => format!("{one} – {other}"),
    }
}

/// The same of a power of ten.
pub(crate) fn round_time(ns: f64) -> String {
    time(ns).replace(".00", "").replace(".0", "")
}

/// As in `3 %`.
pub(crate) fn percent(part: f64) -> String {
    format!("{:.0} %", part * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (value, text) in [(0.4, "0"), (999.6, "1,000"), (1_970_000.0, "1,970,000")] {
            assert_eq!(whole(value), text);
        }
    }

    #[test]
    fn ratios_keep_their_digits() {
        for (value, text) in [
            (1234.5, "1234"),
            (12.34, "12.3"),
            (9.999, "10.0"),
            (0.5678, "0.57"),
            (0.05678, "0.057"),
            (0.002_31, "0.0023"),
            (0.000_312, "0.00031"),
        ] {
            assert_eq!(ratio(value), text);
        }
    }

    #[test]
    fn times_have_a_unit() {
        for (ns, text) in [
            (512.4, "512 ns"),
            (999.7, "1.00 µs"),
            (16_777.0, "16.8 µs"),
            (2_657_741.0, "2.66 ms"),
            (3e9, "3.00 s"),
        ] {
            assert_eq!(time(ns), text);
        }
        assert_eq!(between(630.0, 1_020.0), "0.63 – 1.02 µs");
        assert_eq!(between(630.0, 710.0), "630 – 710 ns");
        assert_eq!(round_time(10_000.0), "10 µs");
        assert_eq!(round_time(100.0), "100 ns");
        assert_eq!(round_time(1e6), "1 ms");
    }
}
