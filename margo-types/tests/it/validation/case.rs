//! Cases: a valid document, one change, and the rule that it breaks.

use margo_types::{AnyDocument, Finding, Kind, Report, Severity, read_any};
use serde_json::Value;

/// One way to break a rule.
pub(super) struct Case {
    /// The requirement or section of rc3.md, and what is wrong.
    pub(super) about: &'static str,
    /// The change to the valid document.
    pub(super) change: fn(&mut Value),
    /// The rule that it breaks.
    pub(super) rule: &'static str,
    /// Where the finding is.
    pub(super) path: &'static str,
}

/// A case; the order reads as a sentence: about, change, breaks rule, at path.
pub(super) const fn case(
    about: &'static str,
    change: fn(&mut Value),
    rule: &'static str,
    path: &'static str,
) -> Case {
    Case {
        about,
        change,
        rule,
        path,
    }
}

/// The findings in a document of the newest generation.
pub(super) fn report_on(document: &Value) -> Report {
    let document = read(document);
    assert_eq!(document.generation(), margo_types::SpecVersion::Rc3);
    document.validate()
}

pub(super) fn read(document: &Value) -> AnyDocument {
    read_any(document.to_string().as_bytes()).unwrap_or_else(|error| panic!("{error}\n{document}"))
}

pub(super) fn changed(valid: &Value, change: fn(&mut Value)) -> Value {
    let mut document = valid.clone();
    change(&mut document);
    document
}

/// Checks that the document has no findings, that every case breaks its rule and no other error rule, and that
/// the JSON Schema refuses a case exactly when the rule is said to be in it.
pub(super) fn check(valid: &Value, cases: &[Case]) {
    let report = report_on(valid);
    assert!(
        report.findings().is_empty(),
        "the valid document:\n{report}"
    );
    let takes = schema_of(read(valid).kind());
    assert_ne!(
        takes(valid),
        Some(false),
        "the JSON Schema refuses the valid document"
    );
    for Case {
        about,
        change,
        rule,
        path,
    } in cases
    {
        let document = changed(valid, *change);
        let report = report_on(&document);
        let is_expected =
            |finding: &&Finding| finding.rule.name == *rule && finding.path.to_string() == *path;
        let Some(finding) = report.findings().iter().find(is_expected) else {
            panic!("{about}: {rule} is not reported at {path}, but:\n{report}");
        };
        assert!(!finding.message.is_empty() && !finding.fix.is_empty());
        let others: Vec<_> = report
            .errors()
            .filter(|error| error.rule.name != *rule)
            .map(ToString::to_string)
            .collect();
        assert_eq!(others, [""; 0], "{about}: other errors");
        let is_error = finding.severity == Severity::Error;
        assert_eq!(report.is_valid(), !is_error, "{about}");
        let in_schema = report.errors().any(|finding| finding.rule.in_schema);
        assert_ne!(
            takes(&document),
            Some(in_schema),
            "{about}: the JSON Schema"
        );
    }
}

/// Whether the JSON Schema of a kind takes a document; without the feature `schema` nobody knows.
#[cfg(not(feature = "schema"))]
fn schema_of(_: Kind) -> impl Fn(&Value) -> Option<bool> {
    |_| None
}

/// Whether the JSON Schema of a kind takes a document.
#[cfg(feature = "schema")]
fn schema_of(kind: Kind) -> impl Fn(&Value) -> Option<bool> {
    use margo_types::application::ApplicationDescription;
    use margo_types::capabilities::DeviceCapabilities;
    use margo_types::deployment::ApplicationDeployment;
    use margo_types::manifest::StateManifest;
    use margo_types::oci::{PackageManifest, TagList};
    use margo_types::onboarding::{CaCertificate, OnboardingRequest};
    use margo_types::problem::Problem;
    use margo_types::status::DeploymentStatus;
    use margo_types::trust::{DiscoveryDocument, TrustBundle};

    let schema = match kind {
        Kind::ApplicationDescription => schemars::schema_for!(ApplicationDescription),
        Kind::ApplicationDeployment => schemars::schema_for!(ApplicationDeployment),
        Kind::StateManifest => schemars::schema_for!(StateManifest),
        Kind::DeviceCapabilities => schemars::schema_for!(DeviceCapabilities),
        Kind::DeploymentStatus => schemars::schema_for!(DeploymentStatus),
        Kind::Problem => schemars::schema_for!(Problem),
        Kind::DiscoveryDocument => schemars::schema_for!(DiscoveryDocument),
        Kind::TrustBundle => schemars::schema_for!(TrustBundle),
        Kind::PackageManifest => schemars::schema_for!(PackageManifest),
        Kind::TagList => schemars::schema_for!(TagList),
        Kind::OnboardingRequest => schemars::schema_for!(OnboardingRequest),
        Kind::CaCertificate => schemars::schema_for!(CaCertificate),
        other => panic!("no schema for {other}"),
    };
    let validator = jsonschema::validator_for(&schema.to_value()).unwrap();
    move |document| Some(validator.is_valid(document))
}

/// Sets the member or element at a JSON Pointer; adds the last member if it is not there.
pub(super) fn set(document: &mut Value, pointer: &str, value: impl Into<Value>) {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let parent = document.pointer_mut(parent).expect("a parent");
    let key = key.replace("~1", "/").replace("~0", "~");
    match parent {
        Value::Array(elements) => {
            let index: usize = key.parse().expect("an index");
            if index == elements.len() {
                elements.push(value.into());
            } else {
                elements[index] = value.into();
            }
        }
        Value::Object(members) => {
            members.insert(key, value.into());
        }
        other => panic!("no container: {other}"),
    }
}

/// Removes the member at a JSON Pointer.
pub(super) fn remove(document: &mut Value, pointer: &str) {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let parent = document.pointer_mut(parent).expect("a parent");
    parent
        .as_object_mut()
        .expect("an object")
        .remove(key)
        .expect("a member");
}
