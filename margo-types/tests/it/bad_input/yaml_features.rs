//! The parts of YAML that documents may use, and those that they may not.

use margo_types::oci::TagList;
use margo_types::problem::Problem;
use margo_types::{Format, read};

use super::{refused, version_of};

#[test]
fn a_second_document_is_refused() {
    let text = "name: n\ntags: []\n---\nname: m\ntags: []\n";
    refused::<TagList>(
        text,
        "document",
        Some((3, 1)),
        "there is a second document; split the file",
    );
    let one = "%YAML 1.2\n---\nname: n\ntags: []\n...\n";
    assert!(read::<TagList>(one.as_bytes()).is_ok());
}

#[test]
fn merge_keys_are_refused() {
    let text = "title: t\nstatus: 400\na: &a {x: 1}\nb:\n  <<: *a\n";
    refused::<Problem>(
        text,
        "b",
        Some((5, 3)),
        "merge keys are not part of YAML 1.2",
    );
    assert!(read::<Problem>(b"title: t\nstatus: 400\n\"<<\": 1\n").is_ok());
}

#[test]
fn tags_other_than_those_of_texts_lists_and_maps_are_refused() {
    for tag in [
        "!include",
        "!!binary",
        "!!timestamp",
        "!!python/object:os.system",
        "!!int",
        "!<tag:x.y,2000:z>",
    ] {
        let text = format!("name: n\ntags:\n- {tag} a\n");

        refused::<TagList>(
            &text,
            "tags[0]",
            Some((3, 4 + tag.len())),
            "is not supported; write the value without it",
        );
    }
    refused::<TagList>(
        "name: n\ntags: !!set {a}\n",
        "tags",
        Some((2, 13)),
        "is not supported",
    );
    let tagged = "!!map\nname: !!str n\ntags: !!seq\n- !!str 1.0\n- ! 1.10\n- !!str null\n";
    let list = read::<TagList>(tagged.as_bytes()).unwrap().into_value();
    assert_eq!(list.tags, ["1.0", "1.10", "null"]);
}

#[test]
fn keys_are_texts() {
    refused::<Problem>(
        "title: t\nstatus: 400\n? [a, b]\n: 1\n",
        "document",
        Some((3, 3)),
        "a key must be",
    );
    refused::<Problem>(
        "title: t\nstatus: 400\n{a: b}: 1\n",
        "document",
        Some((3, 1)),
        "a key must be",
    );
    let text = "title: t\nstatus: 400\nmore: {1: a, 1.0: b, true: c, ~: d, y: e, on: f, 0x1F: g}\n";
    let problem = read::<Problem>(text.as_bytes()).unwrap().into_value();
    let keys: Vec<_> = problem.extra.0["more"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    let mut expected = ["1", "1.0", "true", "~", "y", "on", "0x1F"];
    expected.sort_unstable();
    assert_eq!(keys, expected);
}

#[test]
fn an_alias_is_no_key() {
    let text = "title: t\nstatus: 400\na: &a x\n*a : 1\n";
    refused::<Problem>(text, "document", Some((4, 1)), "a key must be");
}

#[test]
fn flow_style_is_read_and_told_from_json() {
    let json = read::<TagList>(br#"{"name":"n","tags":["a"]}"#).unwrap();
    let flow = read::<TagList>(b"{name: n, tags: [a, 1.0,],}").unwrap();
    assert_eq!((json.format(), flow.format()), (Format::Json, Format::Yaml));
    assert_eq!(flow.value().tags, ["a", "1.0"]);
    let block = read::<TagList>(b"name: n\ntags: [a]\n").unwrap();
    assert_eq!(block.format(), Format::Yaml);
}

#[test]
fn scalars_in_all_styles_are_read() {
    for (written, text) in [
        ("\"a\\tb\\u00e9\"", "a\tbé"),
        ("'it''s'", "it's"),
        ("|-\n    a\n    b", "a\nb"),
        (">-\n    a\n    b", "a b"),
        ("a # not this", "a"),
        ("a#b", "a#b"),
        ("a\n    b", "a b"),
        ("\"a\\\n     b\"", "ab"),
    ] {
        assert_eq!(version_of(written), Ok(text.to_owned()), "{written}");
    }
}

#[test]
fn anchors_and_aliases_are_read() {
    let text = b"title: &t again\nstatus: 400\ndetail: *t\n";
    let problem = read::<Problem>(text).unwrap().into_value();
    assert_eq!(problem.detail.as_deref(), Some("again"));
    refused::<Problem>("title: *none\nstatus: 400\n", "title", Some((1, 8)), "");
}

#[test]
fn what_is_wrong_with_flow_style_is_said_of_the_yaml() {
    let repeated = "{name: n, tags: [a], name: m}";
    refused::<TagList>(repeated, "name", Some((1, 22)), "more than once");
    let merge = "{name: n, <<: {tags: [a]}}";
    refused::<TagList>(merge, "document", Some((1, 11)), "merge keys");
    let json = r#"{"name": "n", "tags" ["a"]}"#;
    refused::<TagList>(json, "tags", Some((1, 22)), "expected `:`");
}
