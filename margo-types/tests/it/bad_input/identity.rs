//! Members that appear twice, values that are missing, and what is no document at all.

use margo_types::application::ApplicationDescription;
use margo_types::manifest::StateManifest;
use margo_types::oci::TagList;
use margo_types::problem::Problem;
use margo_types::status::DeploymentStatus;
use margo_types::{Format, ReadError, SpecVersion, read_any, write_as};

use super::{refused, version_of};

const REPEATED: &str = "the key appears more than once; keep one";

#[test]
fn a_repeated_key_is_refused_with_its_path() {
    let json = "{\"title\":\"t\",\n \"status\":400,\n \"title\":\"u\"}";
    refused::<Problem>(json, "title", Some((3, 8)), REPEATED);
    refused::<Problem>(
        "title: t\nstatus: 400\ntitle: u\n",
        "title",
        Some((3, 1)),
        REPEATED,
    );
}

#[test]
fn a_repeated_key_is_refused_in_nested_maps() {
    let json = r#"{"title":"t","status":400,"more":[{"a":{"b":1,"b":1}}]}"#;
    refused::<Problem>(json, "more[0].a.b", Some((1, 49)), REPEATED);
    let yaml = "title: t\nstatus: 400\nmore:\n- a: {b: 1, c: 2,\n      b: 1}\n";
    refused::<Problem>(yaml, "more[0].a.b", Some((5, 7)), REPEATED);
    let spelled_otherwise = r#"{"title":"t","status":400,"a":1,"\u0061":1}"#;
    refused::<Problem>(spelled_otherwise, "a", Some((1, 40)), REPEATED);
    let members: Vec<_> = (0..100).map(|n| format!("  key{n}: {n}\n")).collect();
    let members = members.concat();
    let yaml = format!("title: t\nstatus: 400\nmore:\n{members}  key7: 7\n");
    refused::<Problem>(&yaml, "more.key7", Some((104, 3)), REPEATED);
}

#[test]
fn a_missing_or_null_value_is_refused_where_it_is_required() {
    refused::<TagList>("name: n\n", "document", Some((1, 1)), "`tags` is missing");
    refused::<TagList>(
        r#"{"name": "n"}"#,
        "document",
        Some((1, 1)),
        "`tags` is missing",
    );
    refused::<TagList>(
        "{\"name\": \"n\",\n \"tags\": null}",
        "tags",
        Some((2, 10)),
        "expected a list, found nothing",
    );
    for null in ["null", "~", "Null", "NULL", ""] {
        let error = version_of(null).unwrap_err();
        assert!(
            error.contains("expected a string, found nothing"),
            "{null}: {error}"
        );
        assert!(error.contains("metadata.version"), "{null}: {error}");
    }
}

#[test]
fn all_invalid_identifiers_are_reported_at_once() {
    let text = "manifestVersion: 1\nbundle: null\ndeployments:\n\
                - {deploymentId: one, digest: md5:0, url: /a}\n\
                - {deploymentId: two, digest: sha256:0, url: /b}\n";
    let error = margo_types::read::<StateManifest>(text.as_bytes()).unwrap_err();
    let faults: Vec<_> = error
        .faults()
        .iter()
        .map(|fault| {
            let location = fault.location.unwrap();
            (fault.path.to_string(), location.line, location.column)
        })
        .collect();
    let expected = [
        ("deployments[0].deploymentId", 4, 18),
        ("deployments[0].digest", 4, 31),
        ("deployments[1].deploymentId", 5, 18),
        ("deployments[1].digest", 5, 31),
    ];
    assert_eq!(
        faults,
        expected.map(|(path, line, column)| (path.to_owned(), line, column))
    );
}

#[test]
fn what_is_no_document_is_refused_in_words() {
    refused::<TagList>("", "document", Some((1, 1)), "the document is empty");
    refused::<TagList>(
        "# nothing\n# here\n",
        "document",
        Some((3, 1)),
        "the document is empty",
    );
    for text in ["[]", "5", "text", "- a\n", "null", "\"text\""] {
        let error = read_any(text.as_bytes()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "not a Margo document: the root is not an object",
            "{text}"
        );
        assert!(
            margo_types::read::<TagList>(text.as_bytes()).is_err(),
            "{text}"
        );
    }
    let error = read_any(b"{\"colour\":\"red\"}").unwrap_err();
    assert_eq!(
        error.to_string(),
        "not a Margo document: no kind has the members colour"
    );
    let error = read_any(b"kind: Pod\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "not a Margo document: the kind \"Pod\" is unknown"
    );
    let error = margo_types::read::<TagList>(b"kind: DeploymentStatus\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "not a list of tags: its kind is DeploymentStatus"
    );
}

#[test]
fn an_object_of_the_wrong_shape_is_refused() {
    let text = "apiVersion: v1\nid: a\nmetadata: [x]\ndeploymentProfiles: {}\n";
    refused::<ApplicationDescription>(text, "metadata", Some((3, 11)), "found a list");
    let members_in_order = r#"{"title":"t","status":400,"errors":[["field","message"]]}"#;
    refused::<Problem>(
        members_in_order,
        "errors[0]",
        Some((1, 37)),
        "expected an object, found a list",
    );
}

#[test]
fn an_unknown_enumeration_value_survives_a_round_trip() {
    let text = r#"{"deploymentId":"ad9b614e-8912-45f4-a523-372358765def","adoptedManifestVersion":1,
        "status":{"state":"hibernating"},"components":[]}"#;
    let read = margo_types::read::<DeploymentStatus>(text.as_bytes()).unwrap();
    assert!(!read.value().status.state.is_known());
    for format in [Format::Json, Format::Yaml] {
        let written = write_as(read.value(), SpecVersion::NEWEST, format).unwrap();
        let again = margo_types::read::<DeploymentStatus>(&written).unwrap();
        assert_eq!(again.value().status.state.as_str(), "hibernating");
    }
}

#[test]
fn a_document_in_the_wrong_encoding_is_refused() {
    let utf16: Vec<u8> = "name: n\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let error = margo_types::read::<TagList>(&utf16).unwrap_err();
    assert!(matches!(error, ReadError::Malformed { .. }), "{error}");
}

#[test]
fn what_is_expected_is_said_in_words_of_documents() {
    let expected = |bundle: &str, deployments: &str| {
        let text = format!("manifestVersion: 1\nbundle: {bundle}\ndeployments: {deployments}\n");
        margo_types::read::<StateManifest>(text.as_bytes())
            .unwrap_err()
            .faults()[0]
            .message
            .clone()
    };
    assert_eq!(
        expected("x", "[]"),
        r#"expected an object, found the text "x""#
    );
    assert_eq!(expected("[]", "[]"), "expected an object, found a list");
    assert_eq!(expected("null", "{}"), "expected a list, found an object");
}
