//! `sign`: a signature on an artefact.

use std::path::{Path, PathBuf};

use margo_package::oci::Reference;
use margo_package::signature::{SigningKey, sign};
use serde_json::json;

use crate::connection::{Connection, read_secret};
use crate::failure::{Failure, Kind};
use crate::outcome::Outcome;

pub(crate) const EXAMPLES: &str = "\
Examples:
  margo-package sign oci://registry.example/apps/hello:1.0.0 --key hello.key";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The artefact
    #[arg(value_name = "oci://HOST/REPO:TAG")]
    artefact: Reference,

    /// The private key: ECDSA P-256 in PEM (PKCS#8), as `keygen` and openssl write it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,

    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let artefact = arguments.artefact;
    let key = signing_key(&arguments.key)?;
    let client = arguments.connection.client(&artefact)?;
    let digest = sign(&client, &artefact, &key).await?;
    let fingerprint = key
        .verifying_key()
        .map_err(|error| Failure::of(Kind::Environment, &error))?
        .fingerprint();
    let text = format!("signed oci://{artefact}\ndigest: {digest}\nkey:    {fingerprint}\n");
    let document = json!({
        "reference": format!("oci://{artefact}"),
        "digest": digest.to_string(),
        "key": fingerprint.to_string(),
    });
    Ok(Outcome::good(text, document))
}

/// The private key in a file.
pub(crate) fn signing_key(path: &Path) -> Result<SigningKey, Failure> {
    SigningKey::from_pem(&read_secret(path)?)
        .map_err(|error| Failure::of(Kind::Usage, &error).about(path.display()))
}
