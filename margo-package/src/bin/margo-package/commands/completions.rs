//! `completions`: completions for a shell.

use clap::CommandFactory as _;
use clap_complete::Shell;
use serde_json::json;

use crate::arguments::Cli;
use crate::failure::Failure;
use crate::outcome::Outcome;

pub(crate) const EXAMPLES: &str = "\
Examples:
  margo-package completions bash > /etc/bash_completion.d/margo-package
  margo-package completions zsh > ~/.zfunc/_margo-package";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

#[expect(clippy::unused_async, reason = "all commands look the same")]
pub(crate) async fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut Cli::command(),
        "margo-package",
        &mut script,
    );
    let script = String::from_utf8_lossy(&script).into_owned();
    let document = json!({ "shell": arguments.shell.to_string(), "script": script });
    Ok(Outcome::good(script, document))
}
