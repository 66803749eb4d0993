//! Quantities: `100m`, `1.5Gi`, `1e3`, as `resource.Quantity` of `k8s.io/apimachinery` reads and writes them.
//!
//! A number is held exactly, in billionths, without floats. What is finer than a billionth is rounded away
//! from zero ("you want some resources if you asked for some"); what is larger than fits is capped.

use std::cmp::Ordering;
use std::fmt;

use bincode::{Decode, Encode};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// Billionths in one unit.
const NANO: i128 = 1_000_000_000;

/// Upstream caps what its exact path reads at `1<<63 - 1` units.
const CAP: i128 = i64::MAX as i128 * NANO;

/// A number longer than this, in characters, is refused: nothing that is meant needs it.
const LENGTH_LIMIT: usize = 128;

/// A decimal of so many significant digits is held at any scale that fits; longer ones are capped at [`CAP`].
/// (Upstream counts zeros too, so that some of its canonical forms read back as other amounts.)
const EXACT_DIGITS: usize = 18;

/// How a quantity was written, and is written again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Format {
    /// Powers of 1000: `n u m k M G T P E`, or no suffix.
    #[default]
    DecimalSi,
    /// Powers of 1024: `Ki Mi Gi Ti Pi Ei`.
    BinarySi,
    /// A power of ten in figures: `e3`, `E-3`.
    DecimalExponent,
}

/// An amount of a resource. Equality and order are by amount: `1` equals `1000m`.
#[derive(Clone, Copy, Debug, Default, Encode, Decode)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

/// Why a text is no quantity, in Kubernetes' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not of the form number and suffix.
    #[error(
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )]
    Format,
    /// The suffix is none of those known.
    #[error("unable to parse quantity's suffix")]
    Suffix,
    /// The number before the suffix is none.
    #[error("unable to parse numeric part of quantity")]
    Number,
}

impl Quantity {
    /// Reads a quantity, as `ParseQuantity` does.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        if text.is_empty() || text.len() > LENGTH_LIMIT || !text.is_ascii() {
            return Err(QuantityError::Format);
        }
        let (negative, rest) = match text.as_bytes()[0] {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, suffix) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() {
            return Err(QuantityError::Format);
        }
        if fraction.contains('.') {
            return Err(QuantityError::Number);
        }
        let (base, exponent, format) = read_suffix(suffix)?;
        let whole = whole.trim_start_matches('0');
        let exact = format != Format::BinarySi && significant(whole, fraction) <= EXACT_DIGITS;
        let nanos = scale(whole, fraction, base, exponent).unwrap_or(i128::MAX);
        let nanos = if exact && nanos != i128::MAX {
            nanos
        } else {
            nanos.min(CAP)
        };
        let format = match format {
            Format::BinarySi if nanos < NANO => Format::DecimalSi,
            format => format,
        };
        Ok(Quantity {
            nanos: if negative { -nanos } else { nanos },
            format,
        })
    }

    /// So many units, written in powers of 1000.
    pub fn units(value: i64) -> Self {
        Quantity {
            nanos: i128::from(value) * NANO,
            format: Format::DecimalSi,
        }
    }

    /// So many thousandths, written in powers of 1000: the unit of CPU time.
    pub fn milli(value: i64) -> Self {
        Quantity {
            nanos: i128::from(value) * (NANO / 1000),
            format: Format::DecimalSi,
        }
    }

    /// So many bytes, written in powers of 1024.
    pub fn bytes(value: i64) -> Self {
        Quantity {
            nanos: i128::from(value) * NANO,
            format: Format::BinarySi,
        }
    }

    /// The amount in whole units, rounded up; the nearest that fits if it does not fit.
    pub fn value(&self) -> i64 {
        clamp(ceil_div(self.nanos, NANO))
    }

    /// The amount in thousandths, rounded up; the nearest that fits if it does not fit.
    pub fn milli_value(&self) -> i64 {
        clamp(ceil_div(self.nanos, NANO / 1000))
    }

    /// How it was written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether it is nothing.
    pub fn is_zero(&self) -> bool {
        self.nanos == 0
    }

    /// Whether it is less than nothing.
    pub fn is_negative(&self) -> bool {
        self.nanos < 0
    }

    /// The sum, in this one's format (in the other's if this one is zero); capped where it does not fit.
    pub fn saturating_add(&self, other: &Quantity) -> Quantity {
        let format = if self.is_zero() {
            other.format
        } else {
            self.format
        };
        Quantity {
            nanos: self.nanos.saturating_add(other.nanos),
            format,
        }
    }

    /// The difference, in this one's format (in the other's if this one is zero).
    pub fn saturating_sub(&self, other: &Quantity) -> Quantity {
        let format = if self.is_zero() {
            other.format
        } else {
            self.format
        };
        Quantity {
            nanos: self.nanos.saturating_sub(other.nanos),
            format,
        }
    }
}

/// How many digits a number has between its first and its last that is not zero.
fn significant(whole: &str, fraction: &str) -> usize {
    let digits = format!("{whole}{fraction}");
    digits.trim_matches('0').len()
}

/// Base, exponent and format that a suffix stands for.
fn read_suffix(suffix: &str) -> Result<(u32, i64, Format), QuantityError> {
    let decimal = |exponent| Ok((10, exponent, Format::DecimalSi));
    let binary = |exponent| Ok((2, exponent, Format::BinarySi));
    match suffix {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(10),
        "Mi" => binary(20),
        "Gi" => binary(30),
        "Ti" => binary(40),
        "Pi" => binary(50),
        "Ei" => binary(60),
        _ => match suffix.strip_prefix(['e', 'E']) {
            Some(figures) => figures
                .parse::<i32>()
                .map(|exponent| (10, i64::from(exponent), Format::DecimalExponent))
                .map_err(|_| QuantityError::Suffix),
            None => Err(wrong_suffix(suffix)),
        },
    }
}

/// Upstream tells a suffix of foreign characters (no quantity at all) from an unknown one.
fn wrong_suffix(suffix: &str) -> QuantityError {
    let letters = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
    let figures = letters.strip_prefix(['+', '-']).unwrap_or(letters);
    if figures.bytes().all(|byte| byte.is_ascii_digit()) {
        QuantityError::Suffix
    } else {
        QuantityError::Format
    }
}

/// The number in billionths, rounded up; `None` if it does not fit.
fn scale(whole: &str, fraction: &str, base: u32, exponent: i64) -> Option<i128> {
    let fraction = fraction.trim_end_matches('0');
    let mut digits: i128 = 0;
    // A binary multiple of a fraction needs every digit that can reach a billionth: 2^60 · 10^-28 < 10^-9.
    const FRACTION_DIGITS: usize = 28;
    let kept = fraction.len().min(FRACTION_DIGITS);
    let dropped = fraction.len() > kept;
    for byte in whole.bytes().chain(fraction.bytes().take(kept)) {
        digits = digits
            .checked_mul(10)?
            .checked_add(i128::from(byte - b'0'))?;
    }
    if digits == 0 {
        return Some(i128::from(dropped));
    }
    let (up, power) = match base {
        2 => (1_i128 << exponent.min(60), 9 - kept as i64),
        _ => (1, exponent + 9 - kept as i64),
    };
    let rounded =
        |product: i128, by: i128| ceil_div(product, by) + i128::from(dropped && product % by == 0);
    if power >= 0 {
        let factor = 10_i128.checked_pow(u32::try_from(power).ok()?)?;
        return digits
            .checked_mul(up)?
            .checked_mul(factor)
            .map(|n| rounded(n, 1));
    }
    match 10_i128.checked_pow(u32::try_from(-power).ok()?) {
        Some(divisor) => match digits.checked_mul(up) {
            Some(product) => Some(rounded(product, divisor)),
            // Too large to multiply first: the quotient first, then what is left of it.
            None => (digits / divisor).checked_mul(up)?.checked_add(ceil_div(
                (digits % divisor).checked_mul(up).unwrap_or(i128::MAX),
                divisor,
            )),
        },
        None => Some(1),
    }
}

fn ceil_div(value: i128, by: i128) -> i128 {
    value.div_euclid(by) + i128::from(value.rem_euclid(by) != 0)
}

fn clamp(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

/// The canonical form: no fraction, the largest suffix that leaves none, the format it was written in, as
/// `Quantity.CanonicalizeBytes` writes it.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        let binary = self.format == Format::BinarySi
            && self.nanos.unsigned_abs() >= 1024 * NANO.unsigned_abs()
            && self.nanos % NANO == 0;
        if binary {
            let (mut mantissa, mut power) = (self.nanos / NANO, 0);
            while mantissa % 1024 == 0 && power < 6 {
                mantissa /= 1024;
                power += 1;
            }
            let suffix = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][power];
            return write!(f, "{mantissa}{suffix}");
        }
        let (mut mantissa, mut exponent) = (self.nanos, -9);
        while mantissa % 1000 == 0 && (exponent < 18 || self.format == Format::DecimalExponent) {
            mantissa /= 1000;
            exponent += 3;
        }
        if self.format == Format::DecimalExponent {
            return match exponent {
                0 => write!(f, "{mantissa}"),
                _ => write!(f, "{mantissa}e{exponent}"),
            };
        }
        let suffix =
            ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"][((exponent + 9) / 3) as usize];
        write!(f, "{mantissa}{suffix}")
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

/// Agrees with equality, which is by amount.
impl std::hash::Hash for Quantity {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.nanos.hash(state);
    }
}

impl std::str::FromStr for Quantity {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Quantity::parse(text)
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// From a JSON string or a JSON number, whose figures are read as they stand.
impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        let text = text
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .unwrap_or(text);
        Quantity::parse(text).map_err(D::Error::custom)
    }
}
