//! `verify`: who signed an artefact?

use std::path::{Path, PathBuf};

use margo_package::oci::Reference;
use margo_package::signature::{PolicyDocument, SignaturePolicy, Verdict, Verifier, VerifyingKey};
use serde_json::{Value, json};

use crate::connection::{self, Connection};
use crate::failure::{Failure, Kind};
use crate::outcome::Outcome;

pub(crate) const EXAMPLES: &str = "\
Examples:
  margo-package verify oci://registry.example/apps/hello:1.0.0 --key hello.pub
  margo-package verify oci://registry.example/apps/hello:1.0.0 --policy policy.yaml

A policy says per repository what is asked for; the longest prefix decides:
  default: required              # required, optional or off
  keys: [acme.pub]               # beside the policy file
  repositories:
    registry.example/apps/demo: { require: off }
    mirror.example/apps: { require: required, keys: [acme.pub], signedAs: registry.example/apps/web }

Pull the digest that is printed afterwards, not the tag, which may have moved; `pull --verify-key` does so.";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The artefact
    #[arg(value_name = "oci://HOST/REPO:TAG")]
    artefact: Reference,

    /// A public key that may have signed it (PEM); as often as needed
    #[arg(long, value_name = "FILE", required_unless_present = "policy")]
    key: Vec<PathBuf>,

    /// What is asked for, by repository; without it, a signature by one of the keys
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let keys = verifying_keys(&arguments.key)?;
    let policy = match &arguments.policy {
        Some(file) => read_policy(file, &keys)?,
        None => SignaturePolicy::required_everywhere(Verifier::new(keys)),
    };
    let artefact = arguments.artefact;
    let client = arguments.connection.client(&artefact)?;
    let verdict = policy.check(&client, &artefact).await?;
    let is_good = verdict.is_acceptable();
    let judgement = if is_good { "accepted" } else { "rejected" };
    let text = format!("oci://{artefact}: {judgement}\n{verdict}\n");
    Ok(Outcome::judged(is_good, text, to_json(&artefact, &verdict)))
}

/// The public keys in these files.
pub(crate) fn verifying_keys(files: &[PathBuf]) -> Result<Vec<VerifyingKey>, Failure> {
    files.iter().map(|file| verifying_key(file)).collect()
}

fn to_json(artefact: &Reference, verdict: &Verdict) -> Value {
    let requirement = format!("{:?}", verdict.requirement()).to_lowercase();
    json!({
        "reference": format!("oci://{artefact}"),
        "digest": verdict.digest().to_string(),
        "requirement": requirement,
        "signedBy": verdict.signed_by().map(|key| key.to_string()),
        "reason": verdict.unverified().map(ToString::to_string),
    })
}

/// A policy; the keys it names are beside its file.
fn read_policy(file: &Path, more_keys: &[VerifyingKey]) -> Result<SignaturePolicy, Failure> {
    let document = PolicyDocument::read(&connection::read(file)?)
        .map_err(|error| Failure::of(Kind::Usage, &error).about(file.display()))?;
    let folder = file.parent().unwrap_or(Path::new(""));
    document.policy(more_keys, |name| verifying_key(&folder.join(name)))
}

fn verifying_key(file: &Path) -> Result<VerifyingKey, Failure> {
    let pem = String::from_utf8_lossy(&connection::read(file)?).into_owned();
    VerifyingKey::from_pem(&pem)
        .map_err(|error| Failure::of(Kind::Usage, &error).about(file.display()))
}
