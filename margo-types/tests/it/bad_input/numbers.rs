//! Numbers beyond their type, and numbers that are texts.

use margo_types::application::ApplicationDescription;
use margo_types::manifest::StateManifest;
use margo_types::problem::Problem;

use super::{read, refused, version_of};

fn json_manifest(version: &str) -> String {
    format!("{{\"bundle\":null,\"deployments\":[],\n \"manifestVersion\": {version}}}")
}

fn yaml_manifest(version: &str) -> String {
    format!("bundle: null\ndeployments: []\nmanifestVersion: {version}\n")
}

#[test]
fn a_manifest_version_is_exact_up_to_2_to_the_64() {
    for version in [1, (1 << 53) + 1, u64::MAX] {
        for text in [
            json_manifest(&version.to_string()),
            yaml_manifest(&version.to_string()),
        ] {
            let manifest: StateManifest = read(&text).unwrap();
            assert_eq!(manifest.manifest_version.get(), version, "{text}");
        }
    }
}

#[test]
fn a_manifest_version_is_a_whole_number_from_1() {
    let place = Some((2, 21));
    let beyond = "the number does not fit 64 bits";
    refused::<StateManifest>(
        &json_manifest("18446744073709551616"),
        "manifestVersion",
        place,
        beyond,
    );
    refused::<StateManifest>(
        &json_manifest("-9223372036854775809"),
        "manifestVersion",
        place,
        beyond,
    );
    refused::<StateManifest>(
        &json_manifest("1e400"),
        "manifestVersion",
        Some((2, 25)),
        beyond,
    );
    for version in ["0", "-1", "1.5", "1.0", "1e3", "true", "\"1\"", "null"] {
        refused::<StateManifest>(
            &json_manifest(version),
            "manifestVersion",
            place,
            "expected a whole number from 1 to",
        );
    }

    let place = Some((3, 18));
    for version in [
        "18446744073709551616",
        "-9223372036854775809",
        "1e400",
        ".inf",
        ".nan",
    ] {
        refused::<StateManifest>(
            &yaml_manifest(version),
            "manifestVersion",
            place,
            fault_of(version),
        );
    }
    for version in ["0", "-1", "1.5", "\"1\"", "1_000", "~"] {
        refused::<StateManifest>(
            &yaml_manifest(version),
            "manifestVersion",
            place,
            "expected a whole number from 1 to",
        );
    }
}

#[test]
fn a_number_beyond_64_bits_is_refused_in_an_unknown_member_too() {
    let beyond = "does not fit 64 bits; write a smaller one";
    let json = r#"{"title":"t","status":400,"a":["18446744073709551616",18446744073709551616]}"#;
    refused::<Problem>(json, "a[1]", Some((1, 55)), beyond);
    let json = r#"{"title":"t","status":400,"a":1e400}"#;
    refused::<Problem>(json, "a", Some((1, 35)), beyond);
    for number in ["18446744073709551616", "1e400", ".inf", "-.Inf", ".NaN"] {
        let yaml = format!("title: t\nstatus: 400\na:\n- {number}\n");
        refused::<Problem>(&yaml, "a[0]", Some((4, 3)), fault_of(number));
    }
}

fn fault_of(yaml_number: &str) -> &'static str {
    if yaml_number.contains(['.', 'e']) {
        "the number is not finite"
    } else {
        "the number does not fit 64 bits; write a smaller one"
    }
}

#[test]
fn a_number_beyond_a_smaller_type_is_refused() {
    refused::<Problem>(
        "title: t\nstatus: 65536\n",
        "status",
        Some((2, 9)),
        "expected a whole number from 0 to 65535",
    );
    refused::<Problem>(
        r#"{"title":"t","status":-1}"#,
        "status",
        Some((1, 23)),
        "expected a whole number from 0 to 65535",
    );
}

#[test]
fn a_version_keeps_the_text_it_was_written_with() {
    for version in [
        "1.0", "1.10", "1", "1.0.9", "0x1F", "0o17", "1e3", "1e400", ".5", "-0", "+1", ".inf",
    ] {
        assert_eq!(version_of(version), Ok(version.to_owned()));
    }
    for word in [
        "yes",
        "no",
        "on",
        "off",
        "y",
        "n",
        "017",
        "1_000",
        "12:30",
        "2001-12-14",
        "=",
        "1.0 beta",
    ] {
        assert_eq!(version_of(word), Ok(word.to_owned()));
    }
    for boolean in ["true", "False", "TRUE"] {
        let error = version_of(boolean).unwrap_err();
        assert!(
            error.contains("metadata.version (line 5, column 12): expected a string"),
            "{error}"
        );
    }
    for quoted in ["\"null\"", "'~'", "\"true\"", "'1.0'"] {
        assert_eq!(
            version_of(quoted),
            Ok(quoted[1..quoted.len() - 1].to_owned())
        );
    }
}

#[test]
fn a_number_in_json_is_no_text() {
    let json = "{\"apiVersion\":\"v1\",\"id\":\"a\",\"metadata\":{\"name\":\"n\",\n\"version\":1.10,\
                \"catalog\":{\"organization\":[]}},\"deploymentProfiles\":[]}";
    let message = "expected a string, found the number 1.1";
    refused::<ApplicationDescription>(json, "metadata.version", Some((2, 11)), message);
}
