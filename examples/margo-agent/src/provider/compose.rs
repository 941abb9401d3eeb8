//! Compose, through an installed container engine.

use std::sync::Arc;

use margo_providers::Provider;
use margo_providers::compose::{ComposeProvider, Options};

use super::{WORKLOADS, registry, telemetry};
use crate::config::Config;
use crate::failure::{Failure, Kind};

pub(super) async fn provider(config: &Config) -> Result<Arc<dyn Provider>, Failure> {
    let settings = &config.provider;
    let mut options = Options::new(config.state(WORKLOADS), registry(config)?);
    options.command.clone_from(&settings.command);
    options.docker_host.clone_from(&settings.docker_host);
    options.telemetry = telemetry(config);
    let compose = ComposeProvider::detect(options)
        .await
        .map_err(|error| Failure::of(Kind::Unavailable, &error))?;
    tracing::info!(engine = %compose.found(), "found what runs workloads");
    Ok(Arc::new(compose))
}
