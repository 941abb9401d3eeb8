//! Characters and encodings.

use margo_types::oci::TagList;
use margo_types::{Limits, read};

use super::{refused, refused_within};

const NUL: &str = "a NUL character is not allowed";

#[test]
fn nul_is_refused_raw_and_escaped() {
    refused::<TagList>("name: n\ntags:\n- a\0b\n", "document", Some((3, 4)), NUL);
    refused::<TagList>(
        "name: n\ntags:\n- \"a\\0b\"\n",
        "tags[0]",
        Some((3, 3)),
        NUL,
    );
    refused::<TagList>(
        "name: n\ntags: []\n\"a\\0b\": 1\n",
        "document",
        Some((3, 1)),
        NUL,
    );
    refused::<TagList>(
        "{\"name\":\"a\0b\",\"tags\":[]}",
        "name",
        Some((1, 11)),
        "control character",
    );
    refused::<TagList>(
        r#"{"name":"n","tags":["a\u0000b"]}"#,
        "tags[0]",
        Some((1, 30)),
        NUL,
    );
    refused::<TagList>(
        r#"{"name":"n","tags":[],"a\u0000b":1}"#,
        "document",
        Some((1, 32)),
        NUL,
    );
}

#[test]
fn invalid_utf_8_is_refused_where_it_stands() {
    let limits = Limits::default();
    let message = "the text is not UTF-8";
    refused_within::<TagList>(
        limits,
        b"name: n\ntags:\n- \xff\n",
        "document",
        Some((3, 3)),
        message,
    );
    refused_within::<TagList>(
        limits,
        "name: né\u{0}".as_bytes(),
        "document",
        Some((1, 9)),
        NUL,
    );
    refused_within::<TagList>(
        limits,
        b"name: n\xc3\xa9\xc3\n",
        "document",
        Some((1, 9)),
        message,
    );
    let lone_surrogate = r#"{"name":"\ud800","tags":[]}"#;
    refused::<TagList>(
        lone_surrogate,
        "name",
        Some((1, 16)),
        "unexpected end of hex escape",
    );
}

#[test]
fn a_byte_order_mark_and_crlf_are_read() {
    for text in [
        "\u{feff}name: n\r\ntags:\r\n- a\r\n",
        "\u{feff}{\"name\":\"n\",\r\n\"tags\":[\"a\"]}\r\n",
    ] {
        let list = read::<TagList>(text.as_bytes()).unwrap().into_value();
        assert_eq!((list.name.as_str(), list.tags), ("n", vec!["a".to_owned()]));
    }
    refused::<TagList>(
        "\u{feff}name: n\r\ntags:\r\n- 1\r\n- {}\r\n",
        "tags[1]",
        Some((4, 3)),
        "a string",
    );
}

#[test]
fn tabs_do_not_indent_yaml_and_are_fine_elsewhere() {
    refused::<TagList>("name: n\ntags:\n\t- a\n", "tags", Some((3, 2)), "tab");
    assert!(read::<TagList>(b"name:\tn\ntags: [a,\tb]\n").is_ok());
    assert!(read::<TagList>(b"{\t\"name\":\t\"n\",\t\"tags\":\t[]\t}").is_ok());
}

#[test]
fn broken_syntax_is_placed() {
    refused::<TagList>(
        "name: n\ntags: [a\n",
        "tags",
        Some((2, 7)),
        "unclosed bracket",
    );
    refused::<TagList>("name: \"n\n", "name", Some((2, 1)), "quoted scalar");
    refused::<TagList>("name: n\n  tags: []\n", "document", Some((2, 7)), "");
    refused::<TagList>(
        "{\"name\":\n \"n\" \"tags\"}",
        "document",
        Some((2, 6)),
        "expected `,` or `}`",
    );
    refused::<TagList>(
        r#"{"name":"n","tags":[]} x"#,
        "document",
        Some((1, 24)),
        "trailing characters",
    );
}
