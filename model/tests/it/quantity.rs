//! Quantities: the examples of Kubernetes' documentation, and what holds of all of them.

use model::rules::quantity::{Quantity, QuantityError};
use proptest::prelude::*;

#[test]
fn canonical_forms() {
    let cases = [
        ("0", "0"),
        ("0.0", "0"),
        ("-0", "0"),
        ("0Ki", "0"),
        ("1", "1"),
        ("+1", "1"),
        ("-1", "-1"),
        ("1.", "1"),
        (".5", "500m"),
        ("1.5", "1500m"),
        ("0.1", "100m"),
        ("100m", "100m"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("0.0001", "100u"),
        ("12e6", "12e6"),
        ("1e3", "1e3"),
        ("1E3", "1e3"),
        ("1e-3", "1e-3"),
        ("1e0", "1"),
        ("1000e0", "1e3"),
        ("12345", "12345"),
        ("12000", "12k"),
        ("1000k", "1M"),
        ("100E", "100E"),
        ("1000E", "1000E"),
        ("1Ki", "1Ki"),
        ("1024Ki", "1Mi"),
        ("1.5Gi", "1536Mi"),
        ("512", "512"),
        ("0.5Mi", "512Ki"),
        ("0.5Ki", "512"),
        ("0.1Ki", "102400m"),
        ("1000Ki", "1000Ki"),
        ("1.1Mi", "1153433600m"),
        ("1Ei", "1Ei"),
        ("9999999Ei", "9223372036854775807"),
        ("1024Pi", "1Ei"),
        ("000001k", "1k"),
        ("0.0000000001", "1n"),
        ("1.0000000001", "1000000001n"),
        ("-0.0000000001", "-1n"),
        ("9999999999999999999", "9223372036854775807"),
        ("1e50", "9223372036854775807"),
        ("1e-50", "1e-9"),
        ("1.0000000000000000000001Ki", "1024000000001n"),
    ];
    for (text, canonical) in cases {
        assert_eq!(
            Quantity::parse(text).map(|q| q.to_string()).as_deref(),
            Ok(canonical),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_quantity() {
    let cases = [
        ("", QuantityError::Format),
        ("-", QuantityError::Format),
        (".", QuantityError::Format),
        ("aoeu", QuantityError::Format),
        ("1 ", QuantityError::Format),
        ("1x", QuantityError::Format),
        ("1.1.M", QuantityError::Number),
        ("0.1mi", QuantityError::Suffix),
        ("1i", QuantityError::Suffix),
        ("1K", QuantityError::Suffix),
        ("-3.01i", QuantityError::Suffix),
        ("-3.01e-", QuantityError::Suffix),
        ("1e", QuantityError::Suffix),
        ("1e99999999999999", QuantityError::Suffix),
        ("٣", QuantityError::Format),
    ];
    for (text, error) in cases {
        assert_eq!(Quantity::parse(text), Err(error), "{text}");
    }
    assert_eq!(
        Quantity::parse(&"1".repeat(1000)),
        Err(QuantityError::Format)
    );
}

#[test]
fn whole_values_are_rounded_up() {
    for (text, value, milli) in [
        ("1", 1, 1000),
        ("100m", 1, 100),
        ("1u", 1, 1),
        ("-1500m", -1, -1500),
        ("2.0001", 3, 2001),
        ("1Ki", 1024, 1_024_000),
        ("9Ei", i64::MAX, i64::MAX),
        ("-100E", i64::MIN, i64::MIN),
    ] {
        let quantity = Quantity::parse(text).expect(text);
        assert_eq!(
            (quantity.value(), quantity.milli_value()),
            (value, milli),
            "{text}"
        );
    }
}

#[test]
fn json_strings_and_numbers() {
    let read = |json: &str| {
        serde_json::from_str::<Quantity>(json)
            .map(|q| q.to_string())
            .ok()
    };
    assert_eq!(read("\"250m\"").as_deref(), Some("250m"));
    assert_eq!(read("2").as_deref(), Some("2"));
    assert_eq!(read("0.25").as_deref(), Some("250m"));
    assert_eq!(read("null"), None);
    assert_eq!(read("{}"), None);
    assert_eq!(
        serde_json::to_string(&Quantity::bytes(2048))
            .ok()
            .as_deref(),
        Some("\"2Ki\"")
    );
    assert_eq!(Quantity::milli(1500).to_string(), "1500m");
    assert_eq!(
        Quantity::units(7)
            .saturating_sub(&Quantity::milli(500))
            .to_string(),
        "6500m"
    );
    assert_eq!(
        Quantity::default()
            .saturating_add(&Quantity::bytes(1 << 20))
            .to_string(),
        "1Mi"
    );
}

fn quantity_text() -> impl Strategy<Value = String> {
    let suffix = prop::sample::select(vec![
        "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e3",
        "e-7", "E5",
    ]);
    ("[+-]?[0-9]{1,12}(\\.[0-9]{0,12})?", suffix)
        .prop_map(|(number, suffix)| format!("{number}{suffix}"))
}

proptest! {
    /// The canonical form is the same amount, and canonical.
    #[test]
    fn canonical_is_stable(text in quantity_text()) {
        let quantity = Quantity::parse(&text).expect("well-formed");
        let canonical = quantity.to_string();
        let again = Quantity::parse(&canonical).expect("canonical forms are well-formed");
        prop_assert_eq!(again, quantity, "{} -> {}", text, canonical);
        prop_assert_eq!(again.to_string(), canonical);
    }

    /// Nothing makes the parser panic, and what it takes it can write and read again.
    #[test]
    fn any_text(text in "\\PC{0,40}|[0-9.eEinumkKMGTP+-]{0,40}") {
        if let Ok(quantity) = Quantity::parse(&text) {
            let _ = (quantity.value(), quantity.milli_value());
            prop_assert!(Quantity::parse(&quantity.to_string()).is_ok());
        }
    }

    /// Rounding is up: never less than asked for, by less than one unit.
    #[test]
    fn rounding_is_up(nanos in 0i64..2_000_000_000_000) {
        let quantity = Quantity::parse(&format!("{nanos}n")).expect("well-formed");
        let value = quantity.value() as i128 * 1_000_000_000;
        prop_assert!(value >= nanos as i128 && value - (nanos as i128) < 1_000_000_000);
    }
}
