//! Size, depth, aliases and counts. Limits decide, never the clock.

use margo_types::oci::TagList;
use margo_types::problem::Problem;
use margo_types::{Limits, ReadError, Reader};

use super::{refused, refused_within};

/// A list of tags of exactly this many bytes.
fn tag_list(bytes: usize) -> String {
    let head = r#"{"name":"n","tags":[""#;
    let tail = r#""]}"#;
    format!(
        "{head}{}{tail}",
        "t".repeat(bytes - head.len() - tail.len())
    )
}

#[test]
fn a_document_of_1_mib_is_read_and_a_longer_one_is_not() {
    let limit = 1 << 20;
    assert!(margo_types::read::<TagList>(tag_list(limit).as_bytes()).is_ok());
    let error = margo_types::read::<TagList>(tag_list(limit + 1).as_bytes()).unwrap_err();
    assert_eq!(
        error,
        ReadError::TooLarge {
            bytes: limit + 1,
            limit
        }
    );
}

#[test]
fn the_size_limit_can_be_moved_both_ways() {
    let mut limits = Limits::default();
    limits.max_bytes = 100;
    let reader = Reader::new().limits(limits);
    assert!(reader.read::<TagList>(tag_list(100).as_bytes()).is_ok());
    assert!(reader.read::<TagList>(tag_list(101).as_bytes()).is_err());
    limits.max_bytes = 2 << 20;
    let reader = Reader::new().limits(limits);
    assert!(reader.read::<TagList>(tag_list(2 << 20).as_bytes()).is_ok());
}

/// A problem with an unknown member of this many nested lists: the deepest is `depth` below the root.
fn nested(depth: usize) -> String {
    let (open, close) = ("[".repeat(depth), "]".repeat(depth));
    format!(r#"{{"title":"t","status":400,"more":{open}{close}}}"#)
}

fn nested_yaml(depth: usize) -> String {
    let (open, close) = ("[".repeat(depth), "]".repeat(depth));
    format!("title: t\nstatus: 400\nmore: {open}{close}\n")
}

#[test]
fn lists_and_objects_are_nested_64_deep_at_most() {
    for text in [nested(64), nested_yaml(64)] {
        assert!(
            margo_types::read::<Problem>(text.as_bytes()).is_ok(),
            "{text}"
        );
    }
    let path = format!("more{}", "[0]".repeat(64));
    let message = "nested deeper than 64; flatten the document";
    refused::<Problem>(&nested(65), &path, Some((1, 97)), message);
    refused::<Problem>(&nested_yaml(65), &path, Some((3, 71)), message);
}

#[test]
fn the_depth_limit_can_be_lowered() {
    let mut limits = Limits::default();
    limits.max_depth = 2;
    let message = "nested deeper than 2";
    refused_within::<Problem>(
        limits,
        nested(3).as_bytes(),
        "more[0][0]",
        Some((1, 35)),
        message,
    );
    assert!(
        Reader::new()
            .limits(limits)
            .read::<Problem>(nested(2).as_bytes())
            .is_ok()
    );
}

/// None of these is walked to its end, so the stack and the clock do not matter.
#[test]
fn a_hundred_thousand_brackets_are_refused_near_their_start() {
    let message = "nested deeper than 64";
    let many = 100_000;
    refused::<Problem>(
        &nested(many),
        &format!("more{}", "[0]".repeat(64)),
        Some((1, 97)),
        message,
    );
    // The YAML parser looks further ahead and has a limit of its own.
    let path = "more";
    refused::<Problem>(
        &nested_yaml(many),
        path,
        Some((3, 262)),
        "recursion limit exceeded",
    );
    let open = r#"{"a":"#.repeat(many);
    refused::<Problem>(
        &open,
        &format!("a{}", ".a".repeat(64)),
        Some((1, 325)),
        message,
    );
    let block = "- ".repeat(many);
    refused::<Problem>(&block, &"[0]".repeat(65), Some((1, 131)), message);
    refused::<Problem>(
        &"? ".repeat(many),
        "document",
        Some((1, 3)),
        "a key must be",
    );
}

#[test]
fn laughs_are_counted_as_what_they_repeat() {
    let mut text = String::from("title: t\nstatus: 400\na: &a [x, x, x, x, x, x, x, x, x, x]\n");
    for (name, of) in [
        ('b', 'a'),
        ('c', 'b'),
        ('d', 'c'),
        ('e', 'd'),
        ('f', 'e'),
        ('g', 'f'),
    ] {
        let laughs = vec![format!("*{of}"); 10].join(", ");
        text = format!("{text}{name}: &{name} [{laughs}]\n");
    }
    refused::<Problem>(&text, "e[6]", Some((7, 32)), "more than 100000 values");
}

#[test]
fn one_long_text_with_many_aliases_is_counted_as_what_it_repeats() {
    let text = format!(
        "title: t\nstatus: 400\nlong: &long {}\nmany: [{}]\n",
        "x".repeat(50_000),
        vec!["*long"; 5_000].join(", ")
    );
    refused::<Problem>(
        &text,
        "many[81]",
        Some((4, 575)),
        "more than 4194304 bytes of text",
    );
}

#[test]
fn many_anchors_cost_as_much_as_they_hold() {
    let anchors = |count: usize| {
        let members: Vec<_> = (0..count).map(|n| format!("- &a{n} x\n")).collect();
        let members = members.concat();
        format!("title: t\nstatus: 400\nmore:\n{members}")
    };
    assert!(margo_types::read::<Problem>(anchors(40_000).as_bytes()).is_ok());
    refused::<Problem>(
        &anchors(60_000),
        "more[49998]",
        Some((50_002, 11)),
        "more than 100000 values",
    );
}

#[test]
fn an_alias_to_what_it_is_part_of_is_refused() {
    let text = "title: t\nstatus: 400\nmore: &m [1, *m]\n";
    refused::<Problem>(
        text,
        "more[1]",
        Some((3, 14)),
        "refers to a value it is part of",
    );
}

#[test]
fn aliases_nest_as_deep_as_what_they_stand_for() {
    let mut limits = Limits::default();
    limits.max_depth = 3;
    let text = "title: t\nstatus: 400\na: &a [[x]]\nb: [[*a]]\n";
    refused_within::<Problem>(
        limits,
        text.as_bytes(),
        "b[0][0]",
        Some((4, 6)),
        "nested deeper than 3",
    );
}

#[test]
fn the_number_of_values_is_limited_without_aliases_too() {
    let json = format!(
        r#"{{"name":"n","tags":[{}]}}"#,
        vec!["\"\""; 100_000].join(",")
    );
    refused::<TagList>(
        &json,
        "tags[99997]",
        Some((1, 300_013)),
        "more than 100000 values",
    );
    let yaml = format!("name: n\ntags:\n{}", "- \"\"\n".repeat(100_000));
    refused::<TagList>(
        &yaml,
        "tags[99997]",
        Some((100_000, 3)),
        "more than 100000 values",
    );
}
