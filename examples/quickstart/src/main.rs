//! A whole Margo fleet on one machine: a registry, a fleet manager, and devices of both generations that it gives work to.
//!
//! ```sh
//! cargo run -p quickstart
//! ```

mod cluster;
mod device;
mod fleet;
mod image;
mod interruption;
mod narrator;
mod network;
mod package;
mod tour;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::cluster::ClusterChoice;
use crate::fleet::Equipment;
use crate::narrator::Narrator;

/// Shows a Margo fleet at work: deploy, reconfigure, update, fail and recover, lose the network, remove.
///
/// Needs nothing but this program. Docker or Podman with Compose runs the workloads of one device if it is there; with --helm, Helm
/// those of another.
#[derive(Debug, Parser)]
#[command(after_help = EXIT_CODES)]
struct Arguments {
    /// Print one JSON object at the end instead of a story.
    #[arg(long)]
    json: bool,
    /// Run no containers, even where there is an engine.
    #[arg(long)]
    simulated: bool,
    /// Add a device with Kubernetes, which runs charts through the installed `helm`. Its cluster is a simulated one.
    #[arg(long)]
    helm: bool,
    /// Bring the charts into the cluster of this kubeconfig instead.
    #[arg(long, value_name = "FILE", requires = "helm")]
    kubeconfig: Option<PathBuf>,
}

impl Arguments {
    fn cluster(&self) -> Option<ClusterChoice> {
        let simulated = self.helm.then_some(ClusterChoice::Simulated);
        let kubeconfig = self.kubeconfig.clone().map(ClusterChoice::Kubeconfig);
        kubeconfig.or(simulated)
    }
}

const EXIT_CODES: &str = "\
Exit codes: 0 everything went as it should, 1 it did not, 2 wrong arguments,
128 and the signal's number when it was interrupted. Nothing stays behind.";

/// What went wrong; shown to a person as it is.
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut narrator = Narrator::new(!arguments.json);
    let equipment = Equipment {
        simulated: arguments.simulated,
        cluster: arguments.cluster(),
    };
    let outcome = tour::run(&mut narrator, &equipment).await;
    narrator.end(outcome)
}
