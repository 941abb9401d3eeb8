//! Charts, through an installed `helm` and a Kubernetes cluster.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use margo_providers::Provider;
use margo_providers::helm::{HelmProvider, Mode, Options, TemplateOptions};

use super::{WORKLOADS, registry, telemetry};
use crate::config::{Config, HelmMode};
use crate::failure::{Failure, Kind};

pub(super) async fn provider(config: &Config) -> Result<Arc<dyn Provider>, Failure> {
    let settings = &config.provider;
    let mut options = Options::new(config.state(WORKLOADS), registry(config)?);
    options.mode = mode(config)?;
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

fn mode(config: &Config) -> Result<Mode, Failure> {
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

/// A name alone is looked for in the path, anything else is a file.
fn program(config: &Config, program: &Path) -> PathBuf {
    if program.components().count() == 1 {
        program.to_owned()
    } else {
        config.path(program)
    }
}
