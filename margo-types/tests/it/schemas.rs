//! The JSON Schemas against the typed reader and strict validation, on golden documents and what comes of
//! changing each of their values.
//!
//! A document that breaks its schema must be refused by the reader or by strict validation. A document that
//! the reader refuses must break its schema, and so must one with a finding whose rule a schema can express.
//! [`EXCEPTIONS`] lists where that is not so, and why.

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::Validator;
use margo_types::schema::{schema, schemas};
use margo_types::{Kind, Reader, Rule, SpecVersion};
use serde_json::{Value, json};

use crate::golden::{self, Golden};

#[test]
fn every_schema_is_a_schema_and_names_itself() {
    let mut seen = 0;
    for (generation, kind, schema) in schemas() {
        assert_eq!(
            schema["$schema"],
            "https://json-schema.org/draft/2020-12/schema"
        );
        assert_eq!(
            schema["$id"],
            format!("urn:margo-types:{generation}:{kind}")
        );
        assert_eq!(schema["title"], kind.as_str());
        jsonschema::meta::validate(&schema).unwrap();
        assert!(
            !schema.to_string().contains("[`"),
            "{kind}: a link in a description"
        );
        seen += 1;
    }
    assert!(
        seen >= Kind::ALL.len(),
        "every kind has a schema in some generation"
    );
}

/// Which generation has which documents (rc1-and-pre-draft.md sections 6 to 10 and 16 to 18).
#[test]
fn every_generation_has_the_schemas_of_its_documents_and_no_others() {
    use Kind::{
        ApplicationDeployment, ApplicationDescription, CaCertificate, DeploymentStatus,
        DeviceCapabilities, OnboardingRequest, OnboardingResponse, Problem, StateManifest,
    };
    let kinds = |generation| {
        let of_generation = schemas().filter(move |(it, ..)| *it == generation);
        of_generation.map(|(_, kind, _)| kind).collect::<Vec<_>>()
    };
    let everywhere = [ApplicationDescription, ApplicationDeployment];
    let pre_draft = [DeviceCapabilities, DeploymentStatus, CaCertificate];
    let rc1 = [
        StateManifest,
        DeviceCapabilities,
        DeploymentStatus,
        Problem,
        OnboardingRequest,
        OnboardingResponse,
        CaCertificate,
    ];
    assert_eq!(
        kinds(SpecVersion::PreDraft),
        [&everywhere[..], &pre_draft].concat()
    );
    assert_eq!(kinds(SpecVersion::Rc1), [&everywhere[..], &rc1].concat());
    let signed_only = [OnboardingRequest, OnboardingResponse, CaCertificate];
    let newest: Vec<_> = Kind::ALL
        .iter()
        .copied()
        .filter(|kind| !signed_only.contains(kind))
        .collect();
    assert_eq!(kinds(SpecVersion::Rc3), newest);
}

#[test]
fn golden_documents_obey_their_schema() {
    for golden in golden::all() {
        let validator = validator(&golden);
        let errors: Vec<_> = validator
            .iter_errors(&golden.value)
            .map(|e| e.to_string())
            .collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", golden.name);
    }
}

#[test]
fn schema_and_types_agree_on_every_mutation() {
    let mut disagreements = BTreeMap::new();
    let mut met = BTreeSet::new();
    let mut checked = 0;
    for golden in golden::all() {
        let validator = validator(&golden);
        for (what, mutant) in mutations(&golden.value) {
            checked += 1;
            let schema = validator
                .iter_errors(&mutant)
                .next()
                .map(|error| error.to_string());
            let typed = verdict(&golden, &mutant);
            let Some(why) = disagreement(schema.as_deref(), &typed) else {
                continue;
            };
            let mutation = format!("{} {what}", golden.name);
            match EXCEPTIONS.iter().find(|it| it.covers(&mutation, &why)) {
                Some(exception) => drop(met.insert(exception.reason)),
                None => drop(disagreements.insert(mutation, why)),
            }
        }
    }
    assert!(checked > 20_000, "only {checked} mutations were checked");
    assert!(
        disagreements.is_empty(),
        "{} of {checked} mutations: {disagreements:#?}",
        disagreements.len()
    );
    let needed = EXCEPTIONS.iter().map(|exception| exception.reason);
    assert_eq!(met, needed.collect(), "the exceptions that are needed");
}

/// A disagreement between schema and types that is meant.
struct Exception {
    /// How the golden document's name starts.
    document: &'static str,
    /// What is in the description of the disagreement.
    disagreement: &'static str,
    reason: &'static str,
}

impl Exception {
    fn covers(&self, mutation: &str, disagreement: &str) -> bool {
        mutation.starts_with(self.document) && disagreement.contains(self.disagreement)
    }
}

/// What a schema cannot say, all of it about members of older generations that have to suit each other.
const EXCEPTIONS: &[Exception] = &[
    Exception {
        document: "rc1/onboarding-request-both",
        disagreement: "only the reader refuses it: not an onboarding request of rc.1: public_certificate",
        reason: "a schema cannot compare the two spellings of one member",
    },
    Exception {
        document: "rc1/device-capabilities-",
        disagreement: "the roles promise",
        reason: "a schema cannot compare the roles with the deployment types that they promise",
    },
    Exception {
        document: "rc1/device-capabilities-gateway",
        disagreement: "only the schema refuses it",
        reason: "strict validation passes over what a gateway without hosting role offers",
    },
];

/// What the types say about a document.
enum Verdict {
    /// The reader refuses it.
    Refused(String),
    /// It is read and breaks these rules; none when it is fine.
    Breaks(Vec<&'static Rule>),
}

fn verdict(golden: &Golden, mutant: &Value) -> Verdict {
    let reader = Reader::new().generation(golden.generation);
    let bytes = serde_json::to_vec(mutant).unwrap();
    match golden::read(golden.kind, reader, &bytes) {
        Err(error) => Verdict::Refused(error.to_string()),
        Ok(report) => Verdict::Breaks(report.errors().map(|finding| finding.rule).collect()),
    }
}

fn disagreement(schema: Option<&str>, typed: &Verdict) -> Option<String> {
    match (schema, typed) {
        (Some(why), Verdict::Breaks(rules)) if rules.is_empty() => {
            Some(format!("only the schema refuses it: {why}"))
        }
        (None, Verdict::Refused(why)) => Some(format!("only the reader refuses it: {why}")),
        (None, Verdict::Breaks(rules)) if rules.iter().any(|rule| rule.in_schema) => {
            Some(format!("only strict validation refuses it: {rules:?}"))
        }
        _ => None,
    }
}

fn validator(golden: &Golden) -> Validator {
    let schema = schema(golden.kind, golden.generation);
    let schema = schema.unwrap_or_else(|| panic!("{} has no schema", golden.name));
    jsonschema::draft202012::new(&schema).unwrap()
}

/// Documents that differ from this one in one place, each with the place and the change.
fn mutations(document: &Value) -> Vec<(String, Value)> {
    let mut pointers = Vec::new();
    collect_pointers(document, String::new(), &mut pointers);
    let mut mutants = Vec::new();
    for pointer in pointers {
        let old = document.pointer(&pointer).unwrap();
        for (change, new) in replacements(old) {
            let mut mutant = document.clone();
            *mutant.pointer_mut(&pointer).unwrap() = new;
            mutants.push((format!("{pointer}: {change}"), mutant));
        }
        if let Some((parent, key)) = pointer.rsplit_once('/') {
            let mut mutant = document.clone();
            match mutant.pointer_mut(parent).unwrap() {
                Value::Object(members) => drop(members.remove(&unescape(key))),
                Value::Array(elements) => drop(elements.remove(key.parse::<usize>().unwrap())),
                _ => unreachable!("only objects and lists have parts"),
            }
            mutants.push((format!("{pointer}: removed"), mutant));
        }
    }
    mutants
}

fn collect_pointers(value: &Value, here: String, pointers: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| {
            let key = key.replace('~', "~0").replace('/', "~1");
            collect_pointers(value, format!("{here}/{key}"), pointers);
        }),
        Value::Array(elements) => elements.iter().enumerate().for_each(|(index, value)| {
            collect_pointers(value, format!("{here}/{index}"), pointers);
        }),
        _ => {}
    }
    pointers.push(here);
}

fn unescape(key: &str) -> String {
    key.replace("~1", "/").replace("~0", "~")
}

/// What to put in place of a value: other types, and bad values of its own type.
fn replacements(old: &Value) -> Vec<(&'static str, Value)> {
    let mut new = vec![
        ("null", Value::Null),
        ("a boolean", json!(true)),
        ("a whole number", json!(7)),
        ("a fraction", json!(0.25)),
        ("a negative number", json!(-3)),
        ("zero", json!(0)),
        ("a text", json!("some words")),
        ("an empty text", json!("")),
        ("an empty list", json!([])),
        ("an empty object", json!({})),
        ("a list of lists", json!([[]])),
    ];
    match old {
        Value::String(text) => {
            new.push(("upper case", text.to_uppercase().into()));
            new.push(("a blank behind", format!("{text} ").into()));
            new.push(("a line break behind", format!("{text}\n").into()));
            new.push(("a slash behind", format!("{text}/").into()));
            new.push(("dots behind", format!("{text}/..").into()));
            new.push(("a digit in front", format!("1{text}").into()));
            new.push(("an umlaut", format!("{text}ä").into()));
            new.push(("an Arabic digit", format!("{text}٣").into()));
            let half: String = text.chars().take(text.chars().count() / 2).collect();
            new.push(("half of it", half.into()));
        }
        Value::Number(_) => {
            new.push(("the greatest number", json!(u64::MAX)));
            new.push(("beyond 2 to the 53", json!((1_u64 << 53) + 1)));
            new.push(("a large number", json!(70_000)));
        }
        Value::Array(elements) => {
            if let Some(first) = elements.first() {
                let mut twice = elements.clone();
                twice.push(first.clone());
                new.push(("the first entry twice", twice.into()));
            }
            let mut more = elements.clone();
            more.push(json!({ "odd": 1 }));
            new.push(("an odd entry", more.into()));
        }
        Value::Object(members) => {
            for (key, value) in [
                ("odd", json!(1)),
                ("x-odd-extensions", json!({ "a": 1 })),
                ("x-wrong-extensions", json!("no object")),
                ("x-Odd-extensions", json!({})),
            ] {
                let mut more = members.clone();
                more.insert(key.to_owned(), value);
                new.push((key, more.into()));
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
    new
}
