//! The arguments of the program.

use clap::{Parser, Subcommand};

use crate::commands;
use crate::failure::Failure;
use crate::outcome::Outcome;

/// Make, check, publish and fetch application packages of Margo
#[derive(Debug, Parser)]
#[command(
    name = "margo-package",
    version,
    propagate_version = true,
    after_help = EXIT_CODES,
    max_term_width = 110
)]
pub(crate) struct Cli {
    /// Print one JSON object on the standard output instead of text, also for errors
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Lists the commands once: name, arguments and module.
macro_rules! commands {
    ($( $(#[$attribute:meta])* $variant:ident($module:ident) $name:literal, )*) => {
        /// The commands.
        #[derive(Debug, Subcommand)]
        pub(crate) enum Command {
            $(
                $(#[$attribute])*
                #[command(name = $name, after_help = commands::$module::EXAMPLES)]
                $variant(Box<commands::$module::Arguments>),
            )*
        }

        impl Command {
            /// The name of the command.
            pub(crate) const fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }

            /// Runs the command.
            pub(crate) async fn run(self) -> Result<Outcome, Failure> {
                match self { $(Self::$variant(arguments) => commands::$module::run(*arguments).await,)* }
            }
        }
    };
}

commands! {
    /// Write a sample package that runs with Compose and with Helm
    Init(init) "init",
    /// Check a package, document, archive or chart against the rules of the specification
    Validate(validate) "validate",
    /// Check a package also for what is allowed but not wise
    Lint(lint) "lint",
    /// Write a package and its components as an OCI image layout, for sites without a network
    Build(build) "build",
    /// Push a package and its components to registries
    Push(push) "push",
    /// Fetch a package, and its components if wanted
    Pull(pull) "pull",
    /// List the versions of a package in a registry
    Versions(versions) "versions",
    /// Show what is in a package, artefact, archive or chart
    Inspect(inspect) "inspect",
    /// Write the application deployment of a package for a device
    Deploy(deploy) "deploy",
    /// Check who signed an artefact
    Verify(verify) "verify",
    /// Sign an artefact, for developers and tests
    Sign(sign) "sign",
    /// Make a key pair to sign with, for developers and tests
    Keygen(keygen) "keygen",
    /// Write completions for a shell
    Completions(completions) "completions",
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done, and everything is good
  1  what was looked at is not good: findings, no package, no valid signature
  2  the arguments make no sense, or something is in the way of the output
  3  the registry (or a layout in its place) was not reached, refused, or gave something wrong
  4  the disk, a file, the configuration or the system fails
  130  interrupted; nothing half-written is left";
