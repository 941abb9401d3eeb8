//! Quantities in their canonical form: what was written as `1000m` is read back as `1`.

use serde_json::Value;

/// Writes a quantity as the server does; what is none stays as it is.
pub(super) fn canonicalize(quantity: &mut Value) {
    let text = match &*quantity {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return,
    };
    if let Some(canonical) = canonical(&text) {
        *quantity = canonical.into();
    }
}

/// The most of the largest unit that needs no fraction (`resource.Quantity`).
fn canonical(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && !"+-.".contains(c));
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = i128::from(10).checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let binary = BINARY.iter().position(|it| *it == unit);
    if let Some(power) = binary.filter(|_| !unit.is_empty()) {
        let value = digits.checked_mul(1024_i128.checked_pow(u32::try_from(power).ok()?)?)?;
        let bytes = value.checked_add(scale - 1)?.div_euclid(scale);
        return Some(in_units(bytes, 1024, &BINARY));
    }
    let power = DECIMAL.iter().position(|it| *it == unit)?;
    let value = digits.checked_mul(1000_i128.checked_pow(u32::try_from(power).ok()?)?)?;
    let nanos = value.checked_add(scale - 1)?.div_euclid(scale);
    Some(in_units(nanos, 1000, &DECIMAL))
}

fn in_units(mut value: i128, step: i128, units: &[&str]) -> String {
    if value == 0 {
        return "0".to_owned();
    }
    let mut unit = 0;
    while unit + 1 < units.len() && value % step == 0 {
        value /= step;
        unit += 1;
    }
    format!("{value}{}", units.get(unit).unwrap_or(&""))
}

const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_are_written_without_fractions() {
        for (written, read) in [
            (json!("1000m"), "1"),
            (json!("0.5"), "500m"),
            (json!(0.1), "100m"),
            (json!(2), "2"),
            (json!(2000), "2k"),
            (json!("1500m"), "1500m"),
            (json!("1024Mi"), "1Gi"),
            (json!("1.5Gi"), "1536Mi"),
            (json!("128Mi"), "128Mi"),
            (json!("0"), "0"),
            (json!("1e3"), "1e3"),
            (json!("much"), "much"),
        ] {
            let mut quantity = written;
            canonicalize(&mut quantity);
            assert_eq!(quantity, read);
        }
    }
}
