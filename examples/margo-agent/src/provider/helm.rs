//! Charts, through an installed `helm` and a Kubernetes cluster.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use margo_package::oci::Credentials;
use margo_providers::Provider;
use margo_providers::helm::{HelmProvider, Mode, Options, TemplateOptions};

use super::{WORKLOADS, registry, telemetry};
use crate::config::{Config, HelmMode};
use crate::failure::{Failure, Kind};
use crate::files;

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
    if let Some(owner) = &settings.owner {
        options.owner.clone_from(owner);
    }
    options.image_credentials = image_credentials(config)?;
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

fn image_credentials(config: &Config) -> Result<BTreeMap<String, Credentials>, Failure> {
    let registries = config.provider.image_registries.iter();
    let credentials = registries.map(|(host, registry)| {
        let file = config.path(&registry.password_file);
        let password = files::read_text(&file).map_err(|error| {
            let setting = format!("[provider.image_registries.\"{host}\"] password_file");
            let doing = format!(
                "{}, {setting}: {} cannot be read",
                config.file.display(),
                file.display()
            );
            Failure::of(Kind::Configuration, &error).while_doing(doing)
        })?;
        let login = Credentials::password(&registry.username, password.trim_end());
        Ok((host.clone(), login))
    });
    credentials.collect()
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
