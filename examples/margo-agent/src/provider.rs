//! What runs the workloads, made from the section `[provider]`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use margo_package::oci::Client;
use margo_providers::compose::ComposeProvider;
use margo_providers::helm::{HelmProvider, Mode, TemplateOptions};
use margo_providers::simulated::SimulatedProvider;
use margo_providers::{Provider, Telemetry, compose, helm};

use crate::config::{Config, HelmMode, ProviderKind};
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
        ProviderKind::Compose => through_compose(config).await,
        ProviderKind::Helm => through_helm(config).await,
        ProviderKind::Simulated => simulated(config),
    }
}

async fn through_compose(config: &Config) -> Result<Arc<dyn Provider>, Failure> {
    let settings = &config.provider;
    let mut options = compose::Options::new(config.state(WORKLOADS), registry(config)?);
    options.command.clone_from(&settings.command);
    options.docker_host.clone_from(&settings.docker_host);
    options.telemetry = telemetry(config);
    let compose = ComposeProvider::detect(options)
        .await
        .map_err(|error| Failure::of(Kind::Unavailable, &error))?;
    tracing::info!(engine = %compose.found(), "found what runs workloads");
    Ok(Arc::new(compose))
}

async fn through_helm(config: &Config) -> Result<Arc<dyn Provider>, Failure> {
    let settings = &config.provider;
    let mut options = helm::Options::new(config.state(WORKLOADS), registry(config)?);
    options.mode = helm_mode(config)?;
    options.program = settings.program.as_deref().map(|it| program(config, it));
    options.kubeconfig = settings.kubeconfig.as_deref().map(|it| config.path(it));
    options.context.clone_from(&settings.context);
    options.create_namespace = settings.create_namespace.unwrap_or_default();
    options
        .image_pull_secrets
        .clone_from(&settings.image_pull_secrets);
    options.telemetry = telemetry(config);
    let helm = HelmProvider::detect(options).await.map_err(|error| {
        let doing = format!(
            "{}, [provider]: Helm or its cluster cannot be used; correct program, kubeconfig or context, if that is what is wrong",
            config.file.display()
        );
        Failure::of(Kind::Unavailable, &error).while_doing(doing)
    })?;
    tracing::info!(engine = %helm.found(), "found what runs workloads");
    Ok(Arc::new(helm))
}

fn helm_mode(config: &Config) -> Result<Mode, Failure> {
    let settings = &config.provider;
    if settings.mode.unwrap_or_default() == HelmMode::Install {
        let settings = [
            ("[provider] kube_version", settings.kube_version.is_some()),
            ("[provider] api_versions", !settings.api_versions.is_empty()),
        ];
        config.refuse(
            &settings,
            "charts that are only rendered",
            "mode = \"template\"",
        )?;
        return Ok(Mode::Install);
    }
    let version = settings.kube_version.as_deref().ok_or_else(|| {
        let message = format!(
            "{}, [provider] has no kube_version, and mode = \"template\" renders charts without asking the cluster; write the version \
             that `kubectl version` shows for the server, for example: kube_version = \"1.31\"",
            config.file.display()
        );
        Failure::new(Kind::Configuration, message)
    })?;
    let mut options = TemplateOptions::new(version);
    options.api_versions.clone_from(&settings.api_versions);
    Ok(Mode::Template(options))
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

/// A name alone is looked for in the path, anything else is a file.
fn program(config: &Config, program: &Path) -> PathBuf {
    if program.components().count() == 1 {
        program.to_owned()
    } else {
        config.path(program)
    }
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
        (
            "[provider] image_pull_secrets",
            !settings.image_pull_secrets.is_empty(),
        ),
        ("[provider] kube_version", settings.kube_version.is_some()),
        ("[provider] api_versions", !settings.api_versions.is_empty()),
    ];
    config.refuse(&settings, "Helm", "kind = \"helm\"")
}

/// The folder in the state directory with what the deployments are made of.
const WORKLOADS: &str = "workloads";
