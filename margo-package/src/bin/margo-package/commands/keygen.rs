//! `keygen`: a key pair.

use std::path::PathBuf;

use margo_package::signature::SigningKey;
use serde_json::json;

use crate::failure::{Failure, Kind};
use crate::outcome::Outcome;
use crate::staging::{Access, Existing, write_file};

pub(crate) const EXAMPLES: &str = "\
Examples:
  margo-package keygen hello        # writes hello.key and hello.pub
  margo-package push hello oci://registry.example/apps/hello --sign hello.key

The private key is not encrypted: keep it where nobody else can read it.";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The path and name of the two files, without `.key` and `.pub`
    #[arg(value_name = "NAME")]
    name: PathBuf,
}

#[expect(clippy::unused_async, reason = "all commands look the same")]
pub(crate) async fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let unusable = |error| Failure::of(Kind::Environment, &error);
    let key = SigningKey::generate().map_err(unusable)?;
    let public = key.verifying_key().map_err(unusable)?;
    let with = |suffix: &str| {
        let mut name = arguments.name.clone().into_os_string();
        name.push(suffix);
        PathBuf::from(name)
    };
    let (private_file, public_file) = (with(".key"), with(".pub"));
    write_file(
        &private_file,
        key.to_pem().expose().as_bytes(),
        Existing::Refused,
        Access::Owner,
    )?;
    let written = write_file(
        &public_file,
        public.to_pem().as_bytes(),
        Existing::Refused,
        Access::Everybody,
    );
    if written.is_err() {
        // Half a pair helps nobody; that it cannot be removed changes nothing.
        let _ = std::fs::remove_file(&private_file);
    }
    written?;
    let (private_file, public_file) = (private_file.display(), public_file.display());
    let text = format!(
        "private key: {private_file}\npublic key:  {public_file}\nfingerprint: {}\n",
        public.fingerprint()
    );
    let document = json!({
        "privateKey": private_file.to_string(),
        "publicKey": public_file.to_string(),
        "fingerprint": public.fingerprint().to_string(),
    });
    Ok(Outcome::good(text, document))
}
