//! What runs the workloads, made from the section `[provider]`.

#[cfg(not(any(feature = "compose", feature = "helm")))]
compile_error!("what runs the workloads? Build with the feature compose, helm, or both");
#[cfg(feature = "compose")]
mod compose;
#[cfg(feature = "helm")]
mod helm;

use std::sync::Arc;

use margo_package::oci::Client;
use margo_providers::simulated::SimulatedProvider;
use margo_providers::{Provider, Telemetry};

use crate::config::{Config, ProviderKind};
use crate::failure::{Failure, Kind};

/// Finds what runs the workloads.
pub(crate) async fn provider(config: &Config) -> Result<Arc<dyn Provider>, Failure> {
    let kind = config.provider.kind;
    if kind != ProviderKind::Compose {
        refuse_compose_settings(config)?;
    }
    if kind != ProviderKind::Helm {
        refuse_helm_settings(config)?;
    }
    match kind {
        #[cfg(feature = "compose")]
        ProviderKind::Compose => compose::provider(config).await,
        #[cfg(feature = "helm")]
        ProviderKind::Helm => helm::provider(config).await,
        ProviderKind::Simulated => simulated(config),
        #[cfg(not(all(feature = "compose", feature = "helm")))]
        left_out => Err(not_built(config, left_out)),
    }
}

/// A program of a device needs not have what the device does not run.
#[cfg(not(all(feature = "compose", feature = "helm")))]
fn not_built(config: &Config, kind: ProviderKind) -> Failure {
    let feature = match kind {
        ProviderKind::Helm => "helm",
        _ => "compose",
    };
    let message = format!(
        "{}, [provider]: this program was built without {feature}; choose another kind, or build it with --features {feature}",
        config.file.display()
    );
    Failure::new(Kind::Configuration, message)
}

fn simulated(config: &Config) -> Result<Arc<dyn Provider>, Failure> {
    let simulated = SimulatedProvider::in_directory(config.state("simulated"));
    let simulated = simulated.map_err(|error| {
        let doing = "the simulated workloads cannot be used";
        Failure::of(Kind::Unavailable, &error).while_doing(doing)
    })?;
    tracing::warn!("workloads are simulated: nothing runs");
    Ok(Arc::new(simulated))
}

fn registry(config: &Config) -> Result<Client, Failure> {
    config
        .registries
        .client(&config.path("".as_ref()))
        .map_err(|error| config.wrong("[registries]", &error))
}

fn telemetry(config: &Config) -> Option<Telemetry> {
    let telemetry = config.telemetry.as_ref()?;
    let mut collector = Telemetry::new(&telemetry.http_endpoint);
    collector.grpc_endpoint.clone_from(&telemetry.grpc_endpoint);
    collector.certificate.clone_from(&telemetry.certificate);
    collector.protocol.clone_from(&telemetry.protocol);
    Some(collector)
}

fn refuse_compose_settings(config: &Config) -> Result<(), Failure> {
    let settings = &config.provider;
    let settings = [
        ("[provider] command", settings.command.is_some()),
        ("[provider] docker_host", settings.docker_host.is_some()),
    ];
    config.refuse(&settings, "Compose", "kind = \"compose\"")
}

fn refuse_helm_settings(config: &Config) -> Result<(), Failure> {
    let settings = &config.provider;
    let settings = [
        ("[provider] mode", settings.mode.is_some()),
        ("[provider] program", settings.program.is_some()),
        ("[provider] kubeconfig", settings.kubeconfig.is_some()),
        ("[provider] context", settings.context.is_some()),
        (
            "[provider] create_namespace",
            settings.create_namespace.is_some(),
        ),
        ("[provider] owner", settings.owner.is_some()),
        (
            "[provider] image_pull_secrets",
            !settings.image_pull_secrets.is_empty(),
        ),
        (
            "[provider] image_registries",
            !settings.image_registries.is_empty(),
        ),
        ("[provider] kube_version", settings.kube_version.is_some()),
        ("[provider] api_versions", !settings.api_versions.is_empty()),
    ];
    config.refuse(&settings, "Helm", "kind = \"helm\"")
}

/// The folder in the state directory with what the deployments are made of.
const WORKLOADS: &str = "workloads";
