//! YAML bytes into a tree and values into YAML: the only file that names a YAML crate.
//!
//! Reading goes by the parser's events and the YAML 1.2 core schema, so `yes`, `on` and `1_000` are text
//! and a number keeps the text it was written with. Writing gives YAML that YAML 1.1 readers (Helm,
//! PyYAML, older Compose) read back unchanged.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Serialize;
use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, Span, StrInput, Tag};

use crate::path::{Location, Segment};
use crate::read::limits::{Budget, Limits, SeenKeys, Unreadable};
use crate::read::node::{Node, NodeValue, NumberValue};

/// Reads YAML text with one document. Refuses repeated keys, merge keys, tags of its own and NUL.
pub(crate) fn parse<'a>(text: &'a str, limits: &Limits) -> Result<Node<'a>, Unreadable> {
    if let Some(offset) = text.find('\0') {
        return Err(Unreadable::new(
            "a NUL character is not allowed",
            Some(Location::of_offset(text, offset)),
        ));
    }
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut builder = Builder {
        events: Parser::new_from_str_with_options(text, options),
        budget: Budget::new(limits),
        anchors: HashMap::new(),
    };
    builder.document()
}

/// Writes a value as one YAML document.
pub(crate) fn write<T: Serialize>(value: &T) -> Result<String, String> {
    serde_saphyr::to_string(value).map_err(|error| error.to_string())
}

struct Builder<'a> {
    events: Parser<'a, StrInput<'a>>,
    budget: Budget,
    /// Anchored values, with the number of values and bytes of text they stand for.
    anchors: HashMap<usize, Node<'a>>,
}

impl<'a> Builder<'a> {
    fn document(&mut self) -> Result<Node<'a>, Unreadable> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(..) => {}
                Event::StreamEnd | Event::DocumentEnd => {
                    return Err(Unreadable::new(
                        "the document is empty",
                        Some(location(&span)),
                    ));
                }
                event => {
                    let root = self.value(event, &span, 0)?;
                    return self.end().map(|()| root);
                }
            }
        }
    }

    fn end(&mut self) -> Result<(), Unreadable> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::DocumentEnd => {}
                Event::StreamEnd => return Ok(()),
                _ => {
                    let message = "there is a second document; split the file";
                    return Err(Unreadable::new(message, Some(location(&span))));
                }
            }
        }
    }

    fn value(
        &mut self,
        event: Event<'a>,
        span: &Span,
        depth: usize,
    ) -> Result<Node<'a>, Unreadable> {
        let here = Some(location(span));
        let stop = |message: String| Unreadable::new(message, here);
        self.budget.check_depth(depth).map_err(stop)?;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.budget.spend(1, text.len()).map_err(stop)?;
                (scalar(text, style, tag.as_deref()).map_err(stop)?, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                check_tag(tag.as_deref(), "seq").map_err(stop)?;
                self.budget.spend(1, 0).map_err(stop)?;
                (self.list(depth)?, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                check_tag(tag.as_deref(), "map").map_err(stop)?;
                self.budget.spend(1, 0).map_err(stop)?;
                (self.map(depth)?, anchor)
            }
            Event::Alias(id) => {
                let target = self
                    .anchors
                    .get(&id)
                    .ok_or_else(|| stop("the alias refers to a value it is part of".to_owned()))?;
                let (nodes, text, height) = weight(target);
                self.budget.check_depth(depth + height).map_err(stop)?;
                self.budget.spend(nodes, text).map_err(stop)?;
                return Ok(Node {
                    value: target.value.clone(),
                    location: here,
                });
            }
            other => return Err(stop(format!("a value was expected, not {other:?}"))),
        };
        let node = Node {
            value,
            location: here,
        };
        if anchor != 0 {
            let (nodes, text, _) = weight(&node);
            self.budget.spend(nodes, text).map_err(stop)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<NodeValue<'a>, Unreadable> {
        let mut elements = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(NodeValue::List(elements));
            }
            let element = self.value(event, &span, depth + 1);
            elements.push(element.map_err(|error| error.inside(Segment::Index(elements.len())))?);
        }
    }

    fn map(&mut self, depth: usize) -> Result<NodeValue<'a>, Unreadable> {
        let mut seen = SeenKeys::default();
        let mut members: Vec<(Cow<'a, str>, Node<'a>)> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Ok(NodeValue::Map(members)),
                Event::Scalar(text, style, _, _) => {
                    if text == "<<" && style == ScalarStyle::Plain {
                        let message = "merge keys are not part of YAML 1.2; write the members out";
                        return Err(Unreadable::new(message, Some(location(&span))));
                    }
                    check_text(&text)
                        .map_err(|message| Unreadable::new(message, Some(location(&span))))?;
                    text
                }
                _ => {
                    return Err(Unreadable::new(
                        "a key must be a plain or quoted text",
                        Some(location(&span)),
                    ));
                }
            };
            let inside = |error: Unreadable| error.inside(Segment::Key(key.to_string()));
            if seen.is_repeated(&members, &key) {
                let message = "the key appears more than once; keep one";
                return Err(inside(Unreadable::new(message, Some(location(&span)))));
            }
            self.budget
                .spend(0, key.len())
                .map_err(|message| Unreadable::new(message, Some(location(&span))))?;
            let (event, span) = self.next().map_err(inside)?;
            let value = self.value(event, &span, depth + 1).map_err(inside)?;
            members.push((key, value));
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Unreadable> {
        match self.events.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let marker = error.marker();
                let place = Location {
                    line: marker.line(),
                    column: marker.col() + 1,
                };
                Err(Unreadable::new(error.info(), Some(place)))
            }
            None => Err(Unreadable::new("the document ends too early", None)),
        }
    }
}

fn location(span: &Span) -> Location {
    Location {
        line: span.start.line(),
        column: span.start.col() + 1,
    }
}

/// How many values and bytes of text a value stands for, and how deeply it is nested.
fn weight(node: &Node) -> (usize, usize, usize) {
    let inner = |children: &mut dyn Iterator<Item = &Node>| {
        children
            .map(weight)
            .fold((1, 0, 0), |(nodes, text, height), (n, t, h)| {
                (nodes + n, text + t, height.max(h + 1))
            })
    };
    match &node.value {
        NodeValue::Null | NodeValue::Bool(_) => (1, 0, 0),
        NodeValue::Number(_, text) => (1, text.as_ref().map_or(0, |text| text.len()), 0),
        NodeValue::Text(text) => (1, text.len(), 0),
        NodeValue::List(elements) => inner(&mut elements.iter()),
        NodeValue::Map(members) => inner(&mut members.iter().map(|(_, node)| node)),
    }
}

fn scalar<'a>(
    text: Cow<'a, str>,
    style: ScalarStyle,
    tag: Option<&Tag>,
) -> Result<NodeValue<'a>, String> {
    check_text(&text)?;
    match tag.map(Tag::to_string).as_deref() {
        None if style == ScalarStyle::Plain => Ok(resolve(text)),
        None | Some("tag:yaml.org,2002:str" | "!!str" | "!") => Ok(NodeValue::Text(text)),
        Some(tag) => Err(format!(
            "the tag {tag} is not supported; write the value without it"
        )),
    }
}

/// A NUL can still come from an escape sequence.
fn check_text(text: &str) -> Result<(), String> {
    if text.contains('\0') {
        return Err("a NUL character is not allowed".to_owned());
    }
    Ok(())
}

fn check_tag(tag: Option<&Tag>, expected: &str) -> Result<(), String> {
    match tag.map(Tag::to_string) {
        Some(tag) if !tag.ends_with(&format!(":{expected}")) && tag != format!("!!{expected}") => {
            Err(format!(
                "the tag {tag} is not supported; write the value without it"
            ))
        }
        _ => Ok(()),
    }
}

/// A plain scalar by the YAML 1.2 core schema (YAML 1.2.2 section 10.3.2).
fn resolve(text: Cow<'_, str>) -> NodeValue<'_> {
    match text.as_ref() {
        "" | "~" | "null" | "Null" | "NULL" => NodeValue::Null,
        "true" | "True" | "TRUE" => NodeValue::Bool(true),
        "false" | "False" | "FALSE" => NodeValue::Bool(false),
        plain => match number(plain) {
            Some(number) => NodeValue::Number(number, Some(text)),
            None => NodeValue::Text(text),
        },
    }
}

fn number(text: &str) -> Option<NumberValue> {
    let first = text.bytes().next()?;
    if !matches!(first, b'0'..=b'9' | b'-' | b'+' | b'.') {
        return None;
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Some(NumberValue::Float(if first == b'-' {
            f64::NEG_INFINITY
        } else {
            f64::INFINITY
        }));
    }
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(NumberValue::Float(f64::NAN));
    }
    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(match text.strip_prefix('+').unwrap_or(text) {
            whole if first == b'-' => whole.parse().map_or(NumberValue::OutOfRange, negative),
            whole => whole
                .parse()
                .map_or(NumberValue::OutOfRange, NumberValue::Unsigned),
        });
    }
    is_core_float(unsigned)
        .then(|| text.parse().ok())
        .flatten()
        .map(NumberValue::Float)
}

fn negative(value: i64) -> NumberValue {
    u64::try_from(value).map_or(NumberValue::Negative(value), NumberValue::Unsigned)
}

fn radix(digits: &str, radix: u32) -> Option<NumberValue> {
    let all = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    all.then(|| {
        u64::from_str_radix(digits, radix).map_or(NumberValue::OutOfRange, NumberValue::Unsigned)
    })
}

/// `( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn is_core_float(text: &str) -> bool {
    let (mantissa, exponent) = text
        .split_once(['e', 'E'])
        .map_or((text, None), |(m, e)| (m, Some(e)));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_ok = match mantissa.split_once('.') {
        None => !mantissa.is_empty() && digits(mantissa),
        Some((whole, fraction)) => {
            digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty())
        }
    };
    mantissa_ok
        && exponent.is_none_or(|exponent| {
            let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            !exponent.is_empty() && digits(exponent)
        })
}
