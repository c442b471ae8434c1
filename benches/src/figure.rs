//! A figure: what was measured, and what it is compared with.

use std::time::{Duration, Instant};

use serde_json::json;

/// What was measured, and what it is compared with.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    name: String,
    value: f64,
    unit: Unit,
    against: String,
    against_value: f64,
}

/// What a figure counts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    /// Nanoseconds.
    Ns,
    /// Bytes.
    Bytes,
    /// So many a second.
    PerSecond,
    /// Pages of a database.
    Pages,
    /// Tasks.
    Tasks,
    /// Requests.
    Requests,
    /// Smallest steps of a unit of money.
    Steps,
    /// Breaches of a limit.
    Violations,
}

impl Unit {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ns => "ns",
            Self::Bytes => "bytes",
            Self::PerSecond => "1/s",
            Self::Pages => "pages",
            Self::Tasks => "tasks",
            Self::Requests => "requests",
            Self::Steps => "steps",
            Self::Violations => "violations",
        }
    }
}

/// How figures are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// One JSON object a line.
    Json,
}

impl Figure {
    /// A figure beside what it is compared with, in the same unit.
    pub(crate) fn new(
        name: impl Into<String>,
        value: f64,
        unit: Unit,
        against: impl Into<String>,
        against_value: f64,
    ) -> Self {
        Self { name: name.into(), value, unit, against: against.into(), against_value }
    }

    /// `value ÷ against`; none when it is compared with nothing.
    fn ratio(&self) -> Option<f64> {
        (self.against_value != 0.0).then(|| self.value / self.against_value)
    }

    pub(crate) fn line(&self, output: Output) -> String {
        let unit = self.unit.as_str();
        match output {
            Output::Json => json!({
                "name": self.name,
                "value": self.value,
                "unit": unit,
                "against": self.against,
                "against_value": self.against_value,
                "ratio": self.ratio(),
            })
            .to_string(),
            Output::Table => {
                let ratio = self.ratio().map_or_else(|| "-".into(), |ratio| format!("{ratio:.3}"));
                format!(
                    "{:<28} {:>18} {unit:<10} {ratio:>8} x {:>18}  {}",
                    self.name,
                    number(self.value),
                    number(self.against_value),
                    self.against,
                )
            }
        }
    }
}

/// A number with its thousands apart, and as many decimals as say something.
fn number(value: f64) -> String {
    let text = if value.abs() < 100.0 && value.fract() != 0.0 {
        format!("{value:.5}")
    } else {
        format!("{value:.0}")
    };
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 && digit.is_ascii_digit() && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

/// The median; of an even number of values the upper one of the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The value that so many of a hundred are not above.
pub(crate) fn percentile(mut values: Vec<f64>, percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.get(place).copied().unwrap_or(f64::NAN)
}

/// How long it takes, and what it gives.
pub(crate) fn timed<T>(run: impl FnOnce() -> T) -> (Duration, T) {
    let started = Instant::now();
    let result = run();
    (started.elapsed(), result)
}

/// Nanoseconds of each of `count`.
pub(crate) fn ns_each(time: Duration, count: usize) -> f64 {
    time.as_secs_f64() * 1e9 / count as f64
}
