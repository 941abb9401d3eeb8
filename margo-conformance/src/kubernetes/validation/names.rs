//! Names, labels and annotations.

use serde_json::Value;

use super::super::document::{members, text};
use super::super::resource::Resource;
use super::shown;

pub(super) fn check_name(resource: &Resource, name: &str, causes: &mut Vec<String>) {
    if name.is_empty() {
        causes.push("metadata.name: Required value: name or generateName is required".to_owned());
        return;
    }
    let why = match resource.plural.as_str() {
        _ if resource.group == "rbac.authorization.k8s.io" => path_segment(name),
        "services" if resource.group.is_empty() => dns_1035_label(name),
        "namespaces" if resource.group.is_empty() => dns_1123_label(name),
        "statefulsets" | "cronjobs" | "jobs" if resource.is_built_in => {
            // Their pods have longer names.
            let longest = if resource.plural == "cronjobs" {
                52
            } else {
                63
            };
            dns_1123_subdomain(name).or_else(|| too_long(name, longest))
        }
        _ => dns_1123_subdomain(name),
    };
    if let Some(why) = why {
        causes.push(format!("metadata.name: Invalid value: {name:?}: {why}"));
    }
}

pub(super) fn check_labels(labels: &Value, field: &str, causes: &mut Vec<String>) {
    for (key, value) in members(labels) {
        if let Some(why) = qualified_name(key) {
            causes.push(format!("{field}: Invalid value: {key:?}: {why}"));
        }
        if let Some(why) = label_value(text(value)) {
            causes.push(format!("{field}: Invalid value: {}: {why}", shown(value)));
        }
    }
}

pub(super) fn check_annotations(annotations: &Value, causes: &mut Vec<String>) {
    let mut size = 0;
    for (key, value) in members(annotations) {
        // In keys of annotations, capitals are as good.
        if let Some(why) = qualified_name(&key.to_lowercase()) {
            causes.push(format!(
                "metadata.annotations: Invalid value: {key:?}: {why}"
            ));
        }
        size += key.len() + text(value).len();
    }
    if size > MOST_ANNOTATIONS {
        causes.push(format!(
            "metadata.annotations: Too long: may not be more than {MOST_ANNOTATIONS} bytes"
        ));
    }
}

pub(super) fn check_finalizer(finalizer: &str, causes: &mut Vec<String>) {
    let is_standard = matches!(finalizer, "foregroundDeletion" | "orphan" | "kubernetes");
    if !is_standard && !finalizer.contains('/') {
        causes.push(format!(
            "metadata.finalizers[0]: Invalid value: {finalizer:?}: name is neither a standard finalizer name nor is it \
             fully qualified"
        ));
    }
}

pub(super) fn check_port(port: &Value, field: &str, causes: &mut Vec<String>) {
    if port
        .as_i64()
        .is_none_or(|port| !(1..=65_535).contains(&port))
    {
        causes.push(format!(
            "{field}: Invalid value: {}: must be between 1 and 65535, inclusive",
            shown(port)
        ));
    }
}

/// Why a text is no label, if it is none; also for the names of containers and ports.
pub(super) fn dns_1123_label(name: &str) -> Option<String> {
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !is_made_of(name, is_inner, |c| is_inner(c) && c != '-') {
        return Some(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and \
             end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
                .to_owned(),
        );
    }
    too_long(name, 63)
}

fn dns_1035_label(name: &str) -> Option<String> {
    if dns_1123_label(name).is_some() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return too_long(name, 63).or_else(|| {
            Some(
                "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
                 character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for \
                 validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
                    .to_owned(),
            )
        });
    }
    None
}

fn dns_1123_subdomain(name: &str) -> Option<String> {
    let is_good = name.split('.').all(|label| {
        let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        is_made_of(label, is_inner, |c| is_inner(c) && c != '-')
    });
    if !is_good {
        return Some(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
             start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
                .to_owned(),
        );
    }
    too_long(name, 253)
}

fn path_segment(name: &str) -> Option<String> {
    match name {
        "." | ".." => Some(format!("may not be '{name}'")),
        _ if name.contains(['/', '%']) => Some("may not contain '/'".to_owned()),
        _ => None,
    }
}

/// `prefix/name`, as the keys of labels are.
fn qualified_name(key: &str) -> Option<String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if let Some(why) = prefix.and_then(dns_1123_subdomain) {
        return Some(format!("prefix part {why}"));
    }
    if name.is_empty() {
        return Some("name part must be non-empty".to_owned());
    }
    if let Some(why) = too_long(name, 63) {
        return Some(format!("name part {why}"));
    }
    let is_good = is_made_of(name, is_label_char, |c| c.is_ascii_alphanumeric());
    (!is_good).then(|| {
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
         alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
         '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
            .to_owned()
    })
}

fn label_value(value: &str) -> Option<String> {
    if value.is_empty() {
        return None;
    }
    let is_good = is_made_of(value, is_label_char, |c| c.is_ascii_alphanumeric());
    if is_good {
        return too_long(value, 63);
    }
    Some(
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start \
         and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation \
         is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
            .to_owned(),
    )
}

fn too_long(text: &str, longest: usize) -> Option<String> {
    (text.len() > longest).then(|| format!("must be no more than {longest} characters"))
}

fn is_label_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.".contains(c)
}

fn is_made_of(
    text: &str,
    is_inner: impl Fn(char) -> bool,
    is_outer: impl Fn(char) -> bool,
) -> bool {
    text.chars().all(is_inner) && text.starts_with(&is_outer) && text.ends_with(&is_outer)
}

/// How much the annotations of an object can hold, in bytes.
const MOST_ANNOTATIONS: usize = 256 << 10;
