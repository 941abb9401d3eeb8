//! Choosing a media type by the `Accept` header (RFC 9110 section 12.5.1; rc3.md section 3.1, W13).

use std::fmt;

/// What a client wants, as its `Accept` header says.
///
/// A malformed element is left out, as if it were a type that nobody offers: the rest still counts.
///
/// ```
/// use margo_types::{accept::Accept, media_type};
///
/// let accept = Accept::parse("application/json;q=0.5, application/vnd.margo.manifest.v1+json");
/// assert_eq!(accept.choose(&[media_type::MANIFEST]), Some(media_type::MANIFEST));
/// assert_eq!(accept.choose(&[media_type::YAML]), None); // answer 406
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accept {
    /// `None` when there is no header, or an empty one: anything goes.
    ranges: Option<Vec<Range>>,
}

impl Accept {
    /// The wish of a client that sends no `Accept`: anything.
    pub const fn anything() -> Self {
        Self { ranges: None }
    }

    /// Reads the value of the header; several header lines are joined by commas first.
    pub fn parse(header: &str) -> Self {
        let elements = split_outside_quotes(header, ',').filter(|element| !element.is_empty());
        let mut elements = elements.peekable();
        if elements.peek().is_none() {
            return Self::anything();
        }
        Self {
            ranges: Some(elements.take(MAX_RANGES).filter_map(Range::parse).collect()),
        }
    }

    /// The offered media type that the client wants most; of several, the first.
    ///
    /// `None` when it wants none of them: 406. What is offered may have parameters, as in
    /// `text/plain; charset=utf-8`.
    pub fn choose<'o>(&self, offered: &[&'o str]) -> Option<&'o str> {
        let mut best = None;
        for &offer in offered {
            let quality = self.quality(offer);
            if quality > best.map_or(0, |(_, quality)| quality) {
                best = Some((offer, quality));
            }
        }
        best.map(|(offer, _)| offer)
    }

    /// Whether the client takes this media type.
    pub fn allows(&self, offered: &str) -> bool {
        self.quality(offered) > 0
    }

    /// How much the client wants it, in thousandths; the most specific range decides.
    fn quality(&self, offered: &str) -> u16 {
        let Some(ranges) = &self.ranges else {
            return MAX_QUALITY;
        };
        let Some(offered) = Range::parse(offered) else {
            return 0;
        };
        ranges
            .iter()
            .filter(|range| range.includes(&offered))
            .max_by_key(|range| (range.specificity(), range.quality))
            .map_or(0, |range| range.quality)
    }
}

impl fmt::Display for Accept {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let Some(ranges) = &self.ranges else {
            return formatter.write_str("*/*");
        };
        if ranges.is_empty() {
            return formatter.write_str("*/*;q=0.000");
        }
        for (position, range) in ranges.iter().enumerate() {
            let separator = if position > 0 { ", " } else { "" };
            write!(formatter, "{separator}{range}")?;
        }
        Ok(())
    }
}

/// A media range, such as `text/*;q=0.5`. An offered media type is one without wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Range {
    /// In lower case; `None` for `*`.
    main: Option<String>,
    /// In lower case; `None` for `*`.
    sub: Option<String>,
    /// Names in lower case and unquoted values, sorted.
    parameters: Vec<(String, String)>,
    /// In thousandths.
    quality: u16,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = split_outside_quotes(text, ';');
        let (main, sub) = parts.next()?.split_once('/')?;
        if !is_token(main) || !is_token(sub) || main == "*" && sub != "*" {
            return None;
        }
        let name = |text: &str| (text != "*").then(|| text.to_ascii_lowercase());
        let mut range = Self {
            main: name(main),
            sub: name(sub),
            parameters: Vec::new(),
            quality: MAX_QUALITY,
        };
        for part in parts.filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=')?;
            if name.eq_ignore_ascii_case("q") {
                // what follows was once a way to extend `Accept`, and is to be ignored
                range.quality = quality(value)?;
                break;
            }
            if range.parameters.len() == MAX_PARAMETERS || !is_token(name) {
                return None;
            }
            let value = unquoted(value)?;
            range.parameters.push((name.to_ascii_lowercase(), value));
        }
        range.parameters.sort();
        Some(range)
    }

    fn includes(&self, offered: &Self) -> bool {
        let matches = |wanted: &Option<String>, offered: &Option<String>| {
            wanted.is_none() || wanted == offered
        };
        let has =
            |parameter: &(String, String)| offered.parameters.iter().any(|p| same(p, parameter));
        matches(&self.main, &offered.main)
            && matches(&self.sub, &offered.sub)
            && self.parameters.iter().all(has)
    }

    fn specificity(&self) -> (bool, bool, usize) {
        (
            self.main.is_some(),
            self.sub.is_some(),
            self.parameters.len(),
        )
    }
}

impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let main = self.main.as_deref().unwrap_or("*");
        let sub = self.sub.as_deref().unwrap_or("*");
        write!(formatter, "{main}/{sub}")?;
        for (name, value) in &self.parameters {
            if is_token(value) {
                write!(formatter, ";{name}={value}")?;
            } else {
                let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
                write!(formatter, ";{name}=\"{escaped}\"")?;
            }
        }
        match self.quality {
            MAX_QUALITY => Ok(()),
            quality => write!(formatter, ";q=0.{quality:03}"),
        }
    }
}

const MAX_QUALITY: u16 = 1000;
/// More elements than any client has reason to send; what follows is ignored.
const MAX_RANGES: usize = 64;
/// More parameters than any media type has.
const MAX_PARAMETERS: usize = 16;

/// `charset` is the one parameter whose value is compared without case (RFC 9110 section 8.3.2).
fn same((name, value): &(String, String), (wanted, expected): &(String, String)) -> bool {
    name == wanted
        && (value == expected || name == "charset" && value.eq_ignore_ascii_case(expected))
}

/// A weight of at most three decimals, in thousandths (RFC 9110 section 12.4.2).
fn quality(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let thousandths = format!("{decimals:0<3}").parse::<u16>().ok()?;
    match (whole, thousandths) {
        ("0", _) => Some(thousandths),
        ("1", 0) => Some(MAX_QUALITY),
        _ => None,
    }
}

/// The value of a parameter: a token, or a quoted string without its quotes and escapes.
fn unquoted(text: &str) -> Option<String> {
    let Some(inside) = text.strip_prefix('"') else {
        return is_token(text).then(|| text.to_owned());
    };
    let mut value = String::new();
    let mut chars = inside.strip_suffix('"')?.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return None,
            '\\' => value.push(chars.next()?),
            _ => value.push(c),
        }
    }
    Some(value)
}

/// The parts between separators that are not inside a quoted string, without blanks around them.
fn split_outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c: char| {
        if escaped {
            escaped = false;
        } else if quoted && c == '\\' {
            escaped = true;
        } else if c == '"' {
            quoted = !quoted;
        }
        !quoted && c == separator
    })
    .map(|part| part.trim_matches([' ', '\t']))
}

/// RFC 9110 section 5.6.2.
fn is_token(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_allowed)
}
