//! Reading the file, with errors that name file, line, key and what to write.

use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;

use super::Config;
use crate::failure::{Failure, Kind};
use crate::files;

impl Config {
    /// Reads the configuration file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = files::read_text(path).map_err(|error| {
            let advice = match error.kind() {
                ErrorKind::NotFound => {
                    "name the file with --config, or write one from margo-agent.example.toml"
                }
                ErrorKind::PermissionDenied => {
                    "this user may not read it; check its owner and mode"
                }
                _ => "check that it is a text file",
            };
            let doing = format!(
                "the configuration {} cannot be read: {advice}",
                path.display()
            );
            Failure::of(Kind::Configuration, &error).while_doing(doing)
        })?;
        let mut config: Self = toml::from_str(&text)
            .map_err(|error| invalid(path, &text, error.span(), error.message()))?;
        // Paths are handed to the engine, which does not know from where this was started.
        config.file = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Ok(config)
    }
}

fn invalid(file: &Path, text: &str, span: Option<Range<usize>>, why: &str) -> Failure {
    let mut place = file.display().to_string();
    let why = why.trim_end().replace('\n', ": ");
    let missing = why
        .strip_prefix("missing field `")
        .and_then(|rest| rest.strip_suffix('`'));
    let mut key = missing;
    // What is missing at the top is missing from the whole file.
    if let Some(span) = span.filter(|span| span.start > 0 || missing.is_none()) {
        let line = text.get(..span.start).unwrap_or(text).matches('\n').count();
        place = format!("{place}, line {}", line + 1);
        let written = text.lines().nth(line).unwrap_or_default();
        if let Some((before, _)) = written.split_once('=').filter(|_| missing.is_none()) {
            key = Some(before.trim());
            place = format!("{place}, {}", before.trim());
        }
    }
    let message = format!("{place}: {why}");
    let example = EXAMPLES.iter().find(|(known, _)| Some(*known) == key);
    let message = match example {
        _ if why.contains("write ") => message,
        Some((_, example)) if example.starts_with('[') && key.is_some_and(is_section) => {
            format!("{message}; write the section {example}")
        }
        Some((key, example)) => format!("{message}; write for example: {key} = {example}"),
        None => message,
    };
    Failure::new(Kind::Configuration, message)
}

fn is_section(key: &str) -> bool {
    ["fleet_manager", "identity", "device"].contains(&key)
}

/// What to write, by key.
const EXAMPLES: &[(&str, &str)] = &[
    ("state_directory", "\"/var/lib/margo-agent\""),
    ("fleet_manager", "[fleet_manager] with the url"),
    ("url", "\"https://wfm.example:8443\""),
    ("generation", "\"rc3\" or \"rc1\""),
    ("profile", "\"common\""),
    ("client_id", "\"line-4\""),
    (
        "identity",
        "[identity] with svid, key and trust_bundle, or key and certificate for rc1",
    ),
    ("svid", "\"svid.pem\""),
    ("key", "\"svid.key\""),
    ("trust_bundle", "\"bundle.json\""),
    (
        "discovery",
        "\"https://identity.example/.well-known/margo\"",
    ),
    ("bundle", "\"https://identity.example/bundle.json\""),
    ("pins", "[\"<base64 of a SHA-256>\"]"),
    ("device", "[device] with id and capabilities"),
    ("id", "\"line-4\""),
    ("capabilities", "\"capabilities.json\""),
    ("kind", "\"compose\", \"helm\" or \"simulated\""),
    ("command", "[\"podman\", \"compose\"]"),
    ("docker_host", "\"unix:///run/podman/podman.sock\""),
    ("mode", "\"install\" or \"template\""),
    ("program", "\"/usr/local/bin/helm\""),
    ("kubeconfig", "\"/etc/rancher/k3s/k3s.yaml\""),
    ("context", "\"default\""),
    ("create_namespace", "true"),
    ("owner", "\"line4\""),
    ("image_pull_secrets", "[\"registry\"]"),
    ("kube_version", "\"1.31\""),
    ("api_versions", "[\"monitoring.coreos.com/v1\"]"),
    ("http_endpoint", "\"http://collector:4318\""),
    ("grpc_endpoint", "\"http://collector:4317\""),
    ("certificate", "\"/etc/otel/ca.pem\""),
    ("protocol", "\"http/protobuf\" or \"grpc\""),
    ("plain_http", "true"),
    ("username", "\"line-4\""),
    ("password_file", "\"registry-password\""),
    ("ca_certificates", "\"ca.pem\""),
    ("client_certificate", "\"registry-client.pem\""),
    ("client_key", "\"registry-client.key\""),
    ("period", "\"1m\""),
    ("jitter_percent", "10"),
    ("time_zone", "\"Europe/Berlin\""),
    ("polling_hours", "[\"22:00-06:00\"]"),
    (
        "downtime",
        "[{ days = [\"sun\"], hours = \"02:00-04:00\" }]",
    ),
];
