//! What calls of a provider may give.

use std::path::Path;

use margo_providers::{Engine, Observation, Provider, ProviderError, Silent};
use margo_types::deployment::ApplicationDeployment;

/// Calls a provider: `engine`, `list`, `observe`, `apply` or `remove`; anything else is nothing.
pub(super) async fn call(
    provider: &dyn Provider,
    deployment: &ApplicationDeployment,
    what: &str,
) -> Result<(), ProviderError> {
    match what {
        "engine" => check_engine(&provider.engine().await?),
        "list" => drop(provider.list().await?),
        "observe" => check_observation(&provider.observe(deployment).await?, deployment),
        "apply" => provider.apply(deployment, &Silent).await?,
        "remove" => provider.remove(deployment, &Silent).await?,
        _ => {}
    }
    Ok(())
}

/// What was found of an engine.
pub(super) fn check_engine(engine: &Engine) {
    let shown = engine.to_string();
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
    assert!(shown.len() < 200, "{} bytes of a version", shown.len());
}

/// An error is for a person and for a status report: readable, not endless, and it names the files that it is about.
pub(super) fn check_error(error: &ProviderError, state: &Path) {
    check_text(&error.message);
    if error.message.starts_with("the files of the deployment") {
        let (message, state) = (&error.message, state.display().to_string());
        assert!(message.contains(&state), "{message} names no file");
    }
}

fn check_observation(observed: &Observation, deployment: &ApplicationDeployment) {
    let wanted = &deployment.spec.deployment_profile.components;
    let names = wanted.iter().map(|component| &component.name);
    let found = observed.components.iter().map(|component| &component.name);
    assert!(names.eq(found), "{observed:?}");
    for component in &observed.components {
        if let Some(error) = &component.error {
            check_text(&error.message);
        }
    }
}

fn check_text(text: &str) {
    assert!(!text.trim().is_empty(), "it says nothing");
    assert!(text.len() < 1 << 17, "{} bytes of text", text.len());
    let is_odd = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t');
    assert!(!text.chars().any(is_odd), "{text:?} is not readable");
}
