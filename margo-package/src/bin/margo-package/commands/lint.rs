//! `lint`: is it wise?

use crate::check::{Depth, anything};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::outcome::Outcome;
use crate::subject::Address;

pub(crate) const EXAMPLES: &str = "\
Examples:
  margo-package lint hello
  margo-package lint hello --deny-warnings          # for build servers
  margo-package lint oci://registry.example/apps/hello:1.0.0

Everything that `validate` finds is found too. The exit code is 0 when there are no errors.";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A package directory, file, image layout or oci://HOST/REPO:TAG
    #[arg(value_name = "DIR|FILE|REF")]
    subject: Address,

    /// Exit with 1 also when there are only warnings
    #[arg(long)]
    deny_warnings: bool,

    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let checked = anything(arguments.subject, &arguments.connection, Depth::Lint).await?;
    Ok(checked.into_outcome(arguments.deny_warnings))
}
