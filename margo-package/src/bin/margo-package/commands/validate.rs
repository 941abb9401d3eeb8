//! `validate`: does it obey the rules?

use crate::check::{Depth, anything};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::outcome::Outcome;
use crate::subject::Address;

pub(crate) const EXAMPLES: &str = "\
Examples:
  margo-package validate hello                      # a package and the components beside it
  margo-package validate deployment.yaml            # any document of the specification
  margo-package validate hello-compose.tar.gz       # a compose archive or Helm chart
  margo-package validate oci://registry.example/apps/hello:1.0.0

The exit code is 0 when everything is valid, also with warnings, and 1 when it is not.";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A package directory, file, image layout or oci://HOST/REPO:TAG
    #[arg(value_name = "DIR|FILE|REF")]
    subject: Address,

    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let checked = anything(arguments.subject, &arguments.connection, Depth::Rules).await?;
    Ok(checked.into_outcome(false))
}
