//! What Helm's words mean for who has to act.

use crate::helm::cluster::{TERMINATING, namespace_missing};
use crate::program::{Output, last_lines};
use crate::{ProviderError, Trouble};

/// The error of a command that failed: `what` was not done, and Helm's own words why.
pub(super) fn failure(what: &str, output: &Output) -> ProviderError {
    let words = words(&output.stderr);
    let words = if words.is_empty() {
        output.complaint()
    } else {
        words
    };
    if let Some(namespace) = missing_namespace(&words) {
        return namespace_missing(namespace);
    }
    let known = KNOWN.iter().find(|(sign, ..)| words.contains(sign));
    let (trouble, meaning) = known.map_or((Trouble::Workload, ""), |(_, trouble, meaning)| {
        (*trouble, *meaning)
    });
    ProviderError::new(trouble, format!("{what}{meaning}:\n{words}"))
}

/// What follows `Error:`, which Helm writes last; before it may be warnings.
fn words(stderr: &str) -> String {
    let errors = stderr.rfind("\nError: ").map(|position| position + 1);
    let begin = errors.or_else(|| stderr.starts_with("Error: ").then_some(0));
    let Some(text) = begin.and_then(|begin| stderr.get(begin + "Error: ".len()..)) else {
        return String::new();
    };
    last_lines(text, LINES).join("\n")
}

/// The namespace in `namespaces "shop" not found`.
fn missing_namespace(words: &str) -> Option<&str> {
    let (_, rest) = words.split_once("namespaces \"")?;
    let (namespace, rest) = rest.split_once('"')?;
    rest.starts_with(" not found").then_some(namespace)
}

/// What Helm says, in the order it is looked for: an error that holds several is of the first kind.
const KNOWN: &[(&str, Trouble, &str)] = &[
    // First: a schema may name others in the network, which are not the cluster.
    (
        "values don't meet the specifications of the schema",
        Trouble::Deployment,
        VALUES,
    ),
    // Before the next: Helm says both of a cluster that answers 401.
    (
        "has asked for the client to provide credentials",
        Trouble::Device,
        UNKNOWN,
    ),
    ("cluster unreachable", Trouble::Engine, UNREACHABLE),
    ("connection refused", Trouble::Engine, UNREACHABLE),
    ("connection reset", Trouble::Engine, UNREACHABLE),
    ("no such host", Trouble::Engine, UNREACHABLE),
    (
        "no configuration has been provided",
        Trouble::Engine,
        UNREACHABLE,
    ),
    ("error loading config file", Trouble::Device, ""),
    (TERMINATING, Trouble::Device, GOING),
    ("is forbidden", Trouble::Device, FORBIDDEN),
    ("Unauthorized", Trouble::Device, FORBIDDEN),
    (
        "must be logged in to the server",
        Trouble::Device,
        FORBIDDEN,
    ),
    ("chart requires kubeVersion", Trouble::Device, ""),
    ("template: ", Trouble::Deployment, ""),
    ("execution error at", Trouble::Deployment, ""),
    ("parse error at", Trouble::Deployment, ""),
    ("YAML parse error on", Trouble::Deployment, ""),
    ("error converting YAML", Trouble::Deployment, ""),
    ("error validating data", Trouble::Deployment, ""),
    (
        "found in Chart.yaml, but missing in charts/ directory",
        Trouble::Deployment,
        "",
    ),
    ("no matches for kind", Trouble::Device, KIND),
    (
        "unable to build kubernetes objects",
        Trouble::Deployment,
        "",
    ),
    ("resource name may not be empty", Trouble::Deployment, ""),
    ("timed out waiting", Trouble::Timeout, ""),
    ("context deadline exceeded", Trouble::Timeout, ""),
    ("Request entity too large", Trouble::Deployment, ""),
    ("is invalid: ", Trouble::Deployment, ""),
    ("invalid ownership metadata", Trouble::Deployment, ""),
];
const UNREACHABLE: &str = ", for the cluster cannot be reached; look whether its API server runs and the kubeconfig has its address";
const UNKNOWN: &str =
    ", for the cluster does not know the credentials of the kubeconfig; renew them";
const GOING: &str =
    ", for the namespace is being removed; wait until it is gone, or see what holds it";
const FORBIDDEN: &str =
    ", for the credentials of the kubeconfig do not allow it; grant it, or use others";
const VALUES: &str = ", for the parameters do not fit the chart; change them";
const KIND: &str = ", for the cluster does not have what the chart uses; have it installed, or deploy to another device";
/// A schema may complain about many values.
const LINES: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helms_words_are_found_behind_warnings() {
        let stderr = "WARNING: Kubernetes configuration file is group-readable.\nError: UPGRADE FAILED: values don't meet\nweb:\n- port is required\n";
        assert_eq!(
            words(stderr),
            "UPGRADE FAILED: values don't meet\nweb:\n- port is required"
        );
        assert_eq!(
            words("Error: INSTALLATION FAILED: x"),
            "INSTALLATION FAILED: x"
        );
        assert_eq!(words("panic: x"), "");
    }

    #[test]
    fn the_more_telling_words_count() {
        for (words, expected) in [
            (
                "values don't meet the specifications of the schema(s) in the following chart(s):\nGet \"http://x\": connection refused",
                Trouble::Deployment,
            ),
            (
                "Kubernetes cluster unreachable: the server has asked for the client to provide credentials",
                Trouble::Device,
            ),
            (
                "unable to build kubernetes objects from release manifest: resource mapping not found: no matches for kind \"Widget\"",
                Trouble::Device,
            ),
            (
                "unable to build kubernetes objects from release manifest: unable to decode \"\"",
                Trouble::Deployment,
            ),
        ] {
            let known = KNOWN.iter().find(|(sign, ..)| words.contains(sign));
            assert_eq!(
                known.map(|(_, trouble, _)| *trouble),
                Some(expected),
                "{words}"
            );
        }
    }

    #[test]
    fn a_missing_namespace_is_named() {
        let words = "INSTALLATION FAILED: create: failed to create: namespaces \"shop\" not found";
        assert_eq!(missing_namespace(words), Some("shop"));
        assert_eq!(
            missing_namespace("namespaces \"shop\" is terminating"),
            None
        );
    }
}
