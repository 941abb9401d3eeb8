//! `If-None-Match` and `Accept`.

use margo_types::accept::Accept;
use margo_types::etag::{EntityTag, IfNoneMatch};
use margo_types::{Digest, media_type};
use proptest::prelude::*;

#[test]
fn conditions_match_the_tag_of_the_digest() {
    let digest = Digest::of(b"manifest");
    let tag = digest.to_etag();
    for (header, matches) in [
        (tag.clone(), true),
        ("*".to_owned(), true),
        (" * ".to_owned(), true),
        (format!("W/{tag}"), true),
        (format!("\"other\", {tag}"), true),
        (format!("\"a,b\",,W/\"c\" ,\t{tag},"), true),
        ("\"other\"".to_owned(), false),
        ("\"\"".to_owned(), false),
        (Digest::of(b"other").to_etag(), false),
        (tag.to_uppercase(), false),
        ("\"*\"".to_owned(), false),
    ] {
        let condition = IfNoneMatch::parse(&header).unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(condition.matches(&digest), matches, "{header}");
    }
}

#[test]
fn malformed_conditions_are_refused() {
    let digest = Digest::of(b"manifest").to_string();
    let many = "\"a\",".repeat(10_000);
    for header in [
        "",
        ",",
        " ",
        &digest,
        "\"",
        "\"a",
        "a\"",
        "w/\"a\"",
        "W/a",
        "\"a\" \"b\"",
        "\"a\"\"b\"",
        "*, \"a\"",
        "\"a b\"",
        "\"a\u{7f}\"",
        "\"a\u{1}\"",
        &many,
    ] {
        assert!(IfNoneMatch::parse(header).is_err(), "{header:?}");
    }
}

#[test]
fn entity_tags_compare_as_rfc_9110_says() {
    // the table of section 8.8.3.2
    for (one, other, strongly, weakly) in [
        (r#"W/"1""#, r#"W/"1""#, false, true),
        (r#"W/"1""#, r#"W/"2""#, false, false),
        (r#"W/"1""#, r#""1""#, false, true),
        (r#""1""#, r#""1""#, true, true),
    ] {
        let (one, other) = (
            EntityTag::parse(one).unwrap(),
            EntityTag::parse(other).unwrap(),
        );
        assert_eq!(one.matches_strongly(&other), strongly);
        assert_eq!(one.matches_weakly(&other), weakly);
    }
}

#[test]
fn entity_tags_hold_digests() {
    let digest = Digest::of(b"bundle");
    let tag = EntityTag::parse(&digest.to_etag()).unwrap();
    assert_eq!(tag, EntityTag::from(digest));
    assert_eq!((tag.digest(), tag.is_weak()), (Some(digest), false));
    assert_eq!(tag.to_string(), digest.to_etag());
    assert_eq!(
        EntityTag::parse(&format!("W/{tag}")).unwrap().digest(),
        None
    );
    assert_eq!(EntityTag::parse("\"abc\"").unwrap().digest(), None);
    for text in ["", "abc", "\"a\",", "\"a\" ", "W/ \"a\""] {
        assert!(EntityTag::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn the_wish_of_the_client_decides() {
    let (json, manifest, yaml) = (media_type::JSON, media_type::MANIFEST, media_type::YAML);
    let offered = [manifest, json];
    for (header, expected) in [
        ("", Some(manifest)),
        (" , ,", Some(manifest)),
        ("*/*", Some(manifest)),
        ("application/*", Some(manifest)),
        (manifest, Some(manifest)),
        ("APPLICATION/JSON", Some(json)),
        ("application/json, */*;q=0.1", Some(json)),
        (
            "application/json;q=0.5, application/vnd.margo.manifest.v1+json;q=0.4",
            Some(json),
        ),
        ("application/json ; Q=0.001", Some(json)),
        (
            "*/*, application/vnd.margo.manifest.v1+json;q=0",
            Some(json),
        ),
        ("application/*;q=0, application/json", Some(json)),
        (
            "application/json;q=0.8, application/*;q=0.9",
            Some(manifest),
        ),
        (yaml, None),
        ("text/*", None),
        ("*/*;q=0", None),
        ("application/vnd.margo.manifest.v1+json;q=0.000", None),
        ("application/vnd.margo.manifest.v1.jws+json", None),
        ("application/json;charset=utf-8", None),
        // malformed elements are left out
        ("nonsense, application/json", Some(json)),
        ("application/json;q=2", None),
        ("application/json;q=1.001", None),
        ("application/json;q=0.0001", None),
        ("application/json;q=", None),
        ("application/json;q=+1", None),
        ("*/json", None),
        ("application/json application/yaml", None),
        ("nonsense", None),
    ] {
        assert_eq!(
            Accept::parse(header).choose(&offered),
            expected,
            "{header:?}"
        );
    }
    assert_eq!(Accept::parse("*/*").choose(&[]), None);
    assert!(Accept::anything().allows(yaml));
}

#[test]
fn parameters_make_a_range_more_specific() {
    let offered = ["text/plain; charset=utf-8", "text/plain;format=flowed"];
    for (header, expected) in [
        (
            "text/plain;q=0.2, text/plain;format=flowed",
            Some(offered[1]),
        ),
        (
            "text/plain;charset=UTF-8;q=0.9, text/plain;q=0.3",
            Some(offered[0]),
        ),
        ("text/plain;format=\"flowed\"", Some(offered[1])),
        (
            "text/plain;format=\"a,b;c\\\"d\", text/plain;charset=\"utf-8\"",
            Some(offered[0]),
        ),
        ("text/plain;format=FLOWED", None),
        ("text/plain;format=flowed;charset=utf-8", None),
        ("text/plain;format=\"flowed", None),
        ("text/plain;q=0.5;ext=1", Some(offered[0])),
    ] {
        assert_eq!(
            Accept::parse(header).choose(&offered),
            expected,
            "{header:?}"
        );
    }
}

#[test]
fn long_headers_cost_little() {
    let long = "application/json,".repeat(100_000);
    assert!(Accept::parse(&long).to_string().len() < 2000);
    let wide = format!("application/json{}", ";a=b".repeat(100_000));
    assert_eq!(Accept::parse(&wide).choose(&[media_type::JSON]), None);
}

proptest! {
    #[test]
    fn any_header_is_read(header in r#"([a-z*/;=,q0-9." \\]{0,60})|(.{0,60})"#) {
        let accept = Accept::parse(&header);
        let _ = accept.choose(&[media_type::MANIFEST, "text/plain; charset=utf-8"]);
        if let Ok(condition) = IfNoneMatch::parse(&header) {
            let _ = condition.matches(&Digest::of(b""));
        }
    }

    #[test]
    fn what_is_written_is_read_again(header in r#"([a-z]{1,3}/([a-z]{1,3}|\*)(;[a-c]=("[a-z,; ]{0,4}"|[a-z]{1,3}))?(;q=(0\.[0-9]{1,3}|1))?(, )?){1,4}"#) {
        let accept = Accept::parse(&header);
        prop_assert_eq!(Accept::parse(&accept.to_string()).to_string(), accept.to_string());
    }

    #[test]
    fn entity_tags_round_trip(opaque in "[!#-~\u{80}-\u{ff}]{0,30}", weak: bool) {
        let text = format!("{}\"{opaque}\"", if weak { "W/" } else { "" });
        let tag = EntityTag::parse(&text).unwrap();
        prop_assert_eq!(tag.to_string(), text);
        prop_assert_eq!((tag.opaque(), tag.is_weak()), (opaque.as_str(), weak));
    }
}
