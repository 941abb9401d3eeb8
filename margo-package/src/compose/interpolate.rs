//! Variables in compose files (Compose Specification, "Interpolation").

/// The text with every variable replaced by its default; `None` when one has none, so that only the device knows.
///
/// `$$` is a dollar sign; `${NAME:-default}` and `${NAME-default}` have a default, which may hold variables itself.
pub(crate) fn interpolate(text: &str) -> Option<String> {
    interpolate_within(text, MAX_NESTING)
}

fn interpolate_within(text: &str, nesting: usize) -> Option<String> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        result.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            result.push('$');
            rest = after;
            continue;
        }
        let Some(inside) = after.strip_prefix('{') else {
            // `$NAME` has no default; a dollar before anything else is an error of its own.
            return None;
        };
        let end = closing_brace(inside)?;
        let name_end = inside.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
        let operator = inside.get(name_end..end)?;
        let default = operator
            .strip_prefix(":-")
            .or_else(|| operator.strip_prefix('-'))?;
        result.push_str(&interpolate_within(default, nesting.checked_sub(1)?)?);
        rest = inside.get(end + 1..)?;
    }
    result.push_str(rest);
    Some(result)
}

/// Where the brace closes that was opened before `text`.
fn closing_brace(text: &str) -> Option<usize> {
    let mut open = 1_usize;
    for (position, character) in text.char_indices() {
        match character {
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(position);
        }
    }
    None
}

const MAX_NESTING: usize = 8;

#[cfg(test)]
mod tests {
    use super::interpolate;

    #[test]
    fn defaults_are_taken() {
        for (text, expected) in [
            ("plain/path", Some("plain/path")),
            ("./$$literal", Some("./$literal")),
            ("${DIR:-conf}/a.env", Some("conf/a.env")),
            ("${DIR-conf}", Some("conf")),
            ("${A:-${B:-x}/y}z", Some("x/yz")),
            ("${DIR}", None),
            ("$DIR/a", None),
            ("${DIR:?must be set}", None),
            ("${DIR:+other}", None),
            ("${DIR:-open", None),
            ("${}", None),
            ("end$", None),
        ] {
            assert_eq!(interpolate(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_given_up() {
        let text = format!("{}x{}", "${A:-".repeat(10_000), "}".repeat(10_000));
        assert_eq!(interpolate(&text), None);
    }
}
