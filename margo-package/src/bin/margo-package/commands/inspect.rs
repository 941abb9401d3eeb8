//! `inspect`: what is in it?

use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;

use margo_package::archive::{Entry, Limits};
use margo_package::chart::Chart;
use margo_package::compose::ComposeArchive;
use margo_package::oci::Manifest;
use margo_types::application::ApplicationDescription;
use margo_types::scalar::{Repository, Revision};
use margo_types::{Digest, media_type};
use serde_json::{Value, json};

use crate::connection::{self, Connection};
use crate::failure::{Failure, Kind, harmless};
use crate::outcome::Outcome;
use crate::subject::{Address, Artefact, Layout, Loaded, Packed, Subject};

pub(crate) const EXAMPLES: &str = "\
Examples:
  margo-package inspect hello
  margo-package inspect oci://registry.example/apps/hello:1.0.0
  margo-package inspect hello-compose.tar.gz
  margo-package inspect com-example-hello-1.0.0.oci";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A package directory, archive, chart, document, image layout or oci://HOST/REPO:TAG
    #[arg(value_name = "DIR|REF|ARCHIVE|CHART")]
    subject: Address,

    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let subject = arguments.subject.open(&arguments.connection).await?;
    let document = match subject {
        Subject::Directory(_) => package(&subject.into_package().await?),
        Subject::Packed(path, Packed::Chart) => chart(&path)?,
        Subject::Packed(path, Packed::Compose) => compose(&path)?,
        Subject::File(path) => document(&path)?,
        Subject::Layout(path, layout) => contents(&path, &layout).await?,
        Subject::Artefact(artefact) => stored(artefact).await?,
    };
    Ok(Outcome::good(to_text(&document), document))
}

fn package(loaded: &Loaded) -> Value {
    let description = loaded.package.description();
    let value = description.value();
    let resources = loaded.package.resources().iter();
    let resources: Vec<_> = resources
        .map(|(role, resource)| {
            json!({
                "role": role.as_str(),
                "path": resource.path().as_str(),
                "bytes": resource.bytes().len(),
            })
        })
        .collect();
    json!({
        "kind": "application package",
        "subject": loaded.name,
        "digest": loaded.manifest.as_ref().map(|manifest| manifest.digest().to_string()),
        "id": value.id.as_str(),
        "name": value.metadata.name,
        "version": value.metadata.version,
        "descriptionDigest": description.digest().to_string(),
        "generation": description.generation().to_string(),
        "profiles": profiles(value),
        "parameters": value.parameters.keys().collect::<Vec<_>>(),
        "resources": resources,
    })
}

fn profiles(description: &ApplicationDescription) -> Vec<Value> {
    let profiles = description.deployment_profiles.iter();
    profiles
        .map(|profile| {
            let components = profile.components.iter().map(|component| {
                let properties = &component.properties;
                json!({
                    "name": component.name.as_str(),
                    "repository": properties.repository.as_ref().map(Repository::as_str),
                    "revision": properties.revision.as_ref().map(Revision::as_str),
                })
            });
            json!({
                "id": profile.id,
                "type": profile.deployment_type.as_str(),
                "components": components.collect::<Vec<_>>(),
            })
        })
        .collect()
}

fn compose(path: &Path) -> Result<Value, Failure> {
    let blob = File::open(path).map_err(|error| Failure::file(path, error))?;
    let archive = ComposeArchive::open(blob, Limits::default())
        .map_err(|error| Failure::from(error).about(path.display()))?;
    let services = archive.compose().get("services").and_then(Value::as_object);
    let services: Vec<_> = services
        .into_iter()
        .flatten()
        .map(|(name, service)| {
            json!({ "name": name, "image": service.get("image").and_then(Value::as_str) })
        })
        .collect();
    let files = archive
        .contents()
        .iter()
        .filter_map(|(path, entry)| match entry {
            Entry::File { bytes, .. } => Some(json!({ "path": path.as_str(), "bytes": bytes })),
            _ => None,
        });
    Ok(json!({
        "kind": "compose archive",
        "subject": path.display().to_string(),
        "directory": archive.directory(),
        "services": services,
        "files": files.collect::<Vec<_>>(),
    }))
}

fn chart(path: &Path) -> Result<Value, Failure> {
    let blob = File::open(path).map_err(|error| Failure::file(path, error))?;
    let chart = Chart::read(blob, Chart::default_limits())
        .map_err(|error| Failure::from(error).about(path.display()))?;
    let mut document = of_chart(&chart);
    document["kind"] = "Helm chart".into();
    document["subject"] = path.display().to_string().into();
    Ok(document)
}

fn of_chart(chart: &Chart) -> Value {
    let findings = chart.findings.iter().map(ToString::to_string);
    let checks = chart
        .capability_checks
        .iter()
        .map(|check| json!({ "file": check.file, "line": check.line, "api": check.api }));
    json!({
        "name": chart.metadata.name,
        "version": chart.metadata.version,
        "appVersion": chart.metadata.app_version,
        "hasValuesSchema": chart.has_values_schema,
        "forbidden": findings.collect::<Vec<_>>(),
        "capabilityChecks": checks.collect::<Vec<_>>(),
        "subcharts": chart.subcharts.iter().map(of_chart).collect::<Vec<_>>(),
    })
}

fn document(path: &Path) -> Result<Value, Failure> {
    let bytes = connection::read(path)?;
    let document = margo_types::read_any(&bytes)
        .map_err(|error| Failure::of(Kind::Invalid, &error).about(path.display()))?;
    Ok(json!({
        "kind": document.kind().as_str(),
        "subject": path.display().to_string(),
        "generation": document.generation().to_string(),
        "digest": Digest::of(&bytes).to_string(),
    }))
}

async fn contents(path: &Path, layout: &Layout) -> Result<Value, Failure> {
    let mut artefacts = Vec::new();
    for reference in &layout.references {
        let manifest = layout.store.pull_manifest(reference).await?;
        let mut artefact = of_manifest(&manifest);
        artefact["reference"] = reference.to_string().into();
        artefacts.push(artefact);
    }
    Ok(json!({
        "kind": "image layout",
        "subject": path.display().to_string(),
        "artefacts": artefacts,
    }))
}

async fn stored(artefact: Artefact) -> Result<Value, Failure> {
    let manifest = artefact.store.pull_manifest(&artefact.reference).await?;
    if manifest.artifact_type() == Some(media_type::PACKAGE) {
        return Ok(package(&artefact.into_package().await?));
    }
    let mut document = of_manifest(&manifest);
    document["kind"] = "artefact".into();
    document["subject"] = format!("oci://{}", artefact.reference).into();
    Ok(document)
}

fn of_manifest(manifest: &Manifest) -> Value {
    let layers = manifest.content().layers.iter().map(|layer| {
        json!({
            "mediaType": layer.media_type,
            "digest": layer.digest.to_string(),
            "bytes": layer.size,
        })
    });
    json!({
        "digest": manifest.digest().to_string(),
        "artifactType": manifest.artifact_type(),
        "subjectDigest": manifest.subject().map(|digest| digest.to_string()),
        "annotations": manifest.content().annotations,
        "layers": layers.collect::<Vec<_>>(),
    })
}

/// A document for people: one member a line, what tells most first, nothing that is empty.
fn to_text(document: &Value) -> String {
    let mut text = String::new();
    write_members(document, 0, &mut text);
    text
}

fn write_members(value: &Value, depth: usize, text: &mut String) {
    let Value::Object(members) = value else {
        return;
    };
    let indent = "  ".repeat(depth);
    let mut members: Vec<_> = members.iter().collect();
    members.sort_by_key(|(name, _)| {
        let position = FIRST.iter().position(|first| first == name);
        position.unwrap_or(FIRST.len())
    });
    for (name, member) in members {
        // Writing to a string cannot fail.
        let _ = match member {
            Value::Null => Ok(()),
            Value::Array(elements) if elements.is_empty() => Ok(()),
            Value::Object(inner) if inner.is_empty() => Ok(()),
            Value::Array(elements) if elements.iter().all(Value::is_object) => {
                let _ = writeln!(text, "{indent}{name}:");
                for element in elements {
                    let mut lines = String::new();
                    write_members(element, depth + 2, &mut lines);
                    // The first line of an element carries its dash.
                    let dashed = format!("{indent}  - {}", lines.trim_start());
                    text.push_str(&dashed);
                }
                Ok(())
            }
            Value::Array(elements) => {
                let words: Vec<_> = elements.iter().map(plain).collect();
                writeln!(text, "{indent}{name}: {}", words.join(", "))
            }
            Value::Object(_) => {
                let _ = writeln!(text, "{indent}{name}:");
                write_members(member, depth + 1, text);
                Ok(())
            }
            member => writeln!(text, "{indent}{name}: {}", plain(member)),
        };
    }
}

/// A value on one line, without anything that a terminal would obey.
fn plain(value: &Value) -> String {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    harmless(&text).replace('\n', " ")
}

/// The members that tell most, in order; the others follow by name.
const FIRST: &[&str] = &[
    "kind",
    "subject",
    "reference",
    "digest",
    "id",
    "role",
    "path",
    "name",
    "type",
    "version",
];
