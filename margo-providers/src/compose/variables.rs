//! Parameters as environment variables of the compose file (rc3.md section 1.6).

use std::collections::BTreeMap;

use margo_types::deployment::ApplicationDeployment;
use margo_types::id::ComponentName;
use serde_json::Value;

use crate::{ProviderError, Trouble};

/// The variables of one component: the names as they are written, never in another case.
///
/// # Errors
/// [`Trouble::Deployment`] for a pointer that names no variable, for one that would change how the engine's own programs
/// run, for two values of one variable, and for a value without a string form.
pub(super) fn variables_of(
    deployment: &ApplicationDeployment,
    component: &ComponentName,
) -> Result<BTreeMap<String, String>, ProviderError> {
    let mut variables: BTreeMap<String, String> = BTreeMap::new();
    for (parameter, given) in &deployment.spec.parameters {
        let wrong = |why: String| {
            let message = format!("the parameter {parameter} cannot be set: {why}");
            ProviderError::new(Trouble::Deployment, message).of(component)
        };
        let targets = given.targets.iter();
        for target in targets.filter(|target| target.components.contains(component)) {
            let name = variable_name(&target.pointer).map_err(wrong)?;
            let value = string_form(&given.value).map_err(wrong)?;
            let earlier = variables.insert(name.to_owned(), value.clone());
            if earlier.is_some_and(|earlier| earlier != value) {
                let why =
                    format!("the variable {name} is given another value by another parameter");
                return Err(wrong(why));
            }
        }
    }
    Ok(variables)
}

/// The variable that a pointer names. Older generations write `ENV.` before it.
fn variable_name(pointer: &str) -> Result<&str, String> {
    let name = pointer.strip_prefix("ENV.").unwrap_or(pointer);
    let is_start = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_rest = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.starts_with(is_start) || !name.chars().all(is_rest) {
        return Err(format!(
            "its pointer {pointer:?} is no name of an environment variable; write letters, digits and underscores"
        ));
    }
    let is_own = OWN.contains(&name) || OWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    if is_own {
        return Err(format!(
            "the variable {name} belongs to the container engine; use another in the compose file"
        ));
    }
    Ok(name)
}

/// The text of a value. The specification gives none (rc3.md ambiguity 54): numbers and booleans are written as in JSON,
/// the elements of an array with commas between them.
fn string_form(value: &Value) -> Result<String, String> {
    match value {
        Value::Array(elements) => {
            let texts: Result<Vec<String>, String> = elements.iter().map(plain_form).collect();
            Ok(texts?.join(","))
        }
        plain => plain_form(plain),
    }
}

fn plain_form(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) if text.contains('\0') => {
            Err("its value has a NUL character, which no environment variable can have".to_owned())
        }
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Null => Err("it has no value".to_owned()),
        Value::Array(_) | Value::Object(_) => Err(
            "its value has no string form; use a string, number, boolean or an array of these"
                .to_owned(),
        ),
    }
}

/// What the programs of the engine take from their environment.
const OWN: &[&str] = &[
    "CONTAINER_HOST",
    "HOME",
    "LANG",
    "LC_ALL",
    "PATH",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
];
const OWN_PREFIXES: &[&str] = &[
    "COMPOSE_",
    "CONTAINERS_",
    "DOCKER_",
    "LD_",
    "PODMAN_",
    "PYTHON",
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(parameters: &Value) -> ApplicationDeployment {
        let document = json!({
            "id": "ad9b614e-8912-45f4-a523-372358765def",
            "metadata": {"name": "app", "namespace": "default", "deviceId": "device-1"},
            "spec": {
                "applicationId": "app",
                "deploymentProfile": {"type": "compose", "components": []},
                "parameters": parameters,
            },
        });
        serde_json::from_value(document).unwrap()
    }

    fn variables(parameters: &Value) -> Result<BTreeMap<String, String>, String> {
        let component = ComponentName::parse("web").unwrap();
        variables_of(&deployment(parameters), &component).map_err(|error| error.to_string())
    }

    #[test]
    fn names_stay_as_written_and_values_have_one_form() {
        let parameters = json!({
            "idpUrl": {"value": "https://idp/?a=$b&c='d'", "targets": [
                {"pointer": "IdpUrl", "components": ["web"]},
                {"pointer": "ENV.IDP_URL", "components": ["other", "web"]},
            ]},
            "poll": {"value": 120, "targets": [{"pointer": "poll", "components": ["web"]}]},
            "ratio": {"value": 0.5, "targets": [{"pointer": "RATIO", "components": ["web"]}]},
            "debug": {"value": false, "targets": [{"pointer": "DEBUG", "components": ["web"]}]},
            "hosts": {"value": ["a", "b"], "targets": [{"pointer": "HOSTS", "components": ["web"]}]},
            "none": {"value": [], "targets": [{"pointer": "NONE", "components": ["web"]}]},
            "foreign": {"value": {"a": 1}, "targets": [{"pointer": "x.y", "components": ["other"]}]},
        });
        let expected = [
            ("DEBUG", "false"),
            ("HOSTS", "a,b"),
            ("IDP_URL", "https://idp/?a=$b&c='d'"),
            ("IdpUrl", "https://idp/?a=$b&c='d'"),
            ("NONE", ""),
            ("RATIO", "0.5"),
            ("poll", "120"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(variables(&parameters).unwrap(), BTreeMap::from(expected));
    }

    #[test]
    fn what_cannot_be_a_variable_is_refused_by_name() {
        for (pointer, value, expected) in [
            ("PORTS.80", json!("81"), "PORTS.80"),
            ("ENV.", json!(1), "is no name"),
            ("1A", json!(1), "is no name"),
            ("PATH", json!("/x"), "belongs to the container engine"),
            (
                "ENV.DOCKER_HOST",
                json!("x"),
                "belongs to the container engine",
            ),
            (
                "COMPOSE_FILE",
                json!("x"),
                "belongs to the container engine",
            ),
            ("A", json!(null), "no value"),
            ("A", json!({"b": 1}), "no string form"),
            ("A", json!([["b"]]), "no string form"),
            ("A", json!("\0"), "NUL"),
        ] {
            let targets = json!([{"pointer": pointer, "components": ["web"]}]);
            let parameters = json!({"limit": {"value": value, "targets": targets}});
            let error = variables(&parameters).unwrap_err();
            assert!(
                error.contains(expected) && error.contains("limit"),
                "{error}"
            );
            assert!(error.starts_with("component web: "), "{error}");
        }
    }

    #[test]
    fn two_values_of_one_variable_are_refused() {
        let target = json!([{"pointer": "A", "components": ["web"]}]);
        let pair = |other: i32| json!({"one": {"value": 1, "targets": target}, "two": {"value": other, "targets": target}});
        assert!(variables(&pair(1)).is_ok());
        assert!(variables(&pair(2)).unwrap_err().contains("another value"));
    }
}
