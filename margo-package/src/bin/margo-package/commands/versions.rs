//! `versions`: the versions of a package.

use margo_package::oci::{ArtifactStore as _, Reference};
use serde_json::json;

use crate::connection::Connection;
use crate::failure::{Failure, Kind};
use crate::outcome::Outcome;

pub(crate) const EXAMPLES: &str = "\
Examples:
  margo-package versions oci://registry.example/apps/hello
  margo-package versions oci://localhost:5000/hello/package --plain-http";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The repository of the package, without a tag
    #[arg(value_name = "oci://HOST/REPO")]
    repository: Reference,

    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let repository = arguments.repository;
    if repository.tag().is_some() || repository.digest().is_some() {
        let message = format!(
            "{repository} names one version; give oci://{} alone",
            repository.name()
        );
        return Err(Failure::new(Kind::Usage, message));
    }
    let client = arguments.connection.client(&repository)?;
    let mut versions = client.tags(&repository).await?;
    versions.retain(|tag| !is_auxiliary(tag));
    versions.sort_by_cached_key(|version| natural_order(version));
    let mut text = versions.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    let document = json!({ "repository": format!("oci://{repository}"), "versions": versions });
    Ok(Outcome::good(text, document))
}

/// Whether a tag is none of a version: signatures and lists of referrers are kept under `sha256-...`.
fn is_auxiliary(tag: &str) -> bool {
    let rest = tag.strip_prefix("sha256-").unwrap_or_default();
    let hex = rest.split('.').next().unwrap_or_default();
    hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Orders 1.9 before 1.10, and a pre-release such as 1.0.0-rc.1 before 1.0.0.
fn natural_order(version: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    for chunk in version.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let word = chunk.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        parts.push(word.parse().map_or_else(
            |_| Part::Word(word.to_owned()),
            |number: u64| Part::Number(number),
        ));
        if chunk.ends_with('-') {
            parts.push(Part::PreRelease);
        }
    }
    parts.push(Part::End);
    parts
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    PreRelease,
    End,
    Number(u64),
    Word(String),
}
