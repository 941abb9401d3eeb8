//! Documents in the form that a dialect has (rc1-and-pre-draft.md sections 8 and 9).

use std::error::Error as StdError;

use margo_types::capabilities::DeviceCapabilities;
use margo_types::id::{ClientId, DeviceId};
use margo_types::status::DeploymentStatus;
use margo_types::{SpecVersion, write};
use serde_json::{Value, json};

use crate::api::{Dialect, Documents};

/// Why a document has no such form.
type Misfit = Box<dyn StdError + Send + Sync>;

/// Device capabilities.
pub(super) fn capabilities(
    dialect: &Dialect,
    client: &ClientId,
    capabilities: &DeviceCapabilities,
) -> Result<Vec<u8>, Misfit> {
    let mut capabilities = capabilities.clone();
    if dialect.client_is_device {
        capabilities.properties.id = DeviceId::parse(client.as_str())?;
    }
    match dialect.documents {
        Documents::Aligned => Ok(write(&capabilities, SpecVersion::Rc1)?),
        Documents::First => {
            let mut document = tree(&write(&capabilities, SpecVersion::Rc1)?)?;
            document["apiVersion"] = json!("device.margo/v1");
            document["kind"] = json!("DeviceCapabilities");
            text(&document)
        }
        Documents::Late => {
            if !capabilities.labels.is_empty() {
                return Err("labels came with rc.2; leave them out".into());
            }
            let mut document = tree(&write(&capabilities, SpecVersion::Rc3)?)?;
            document["apiVersion"] = json!("device.margo.org/v1alpha1");
            document["kind"] = json!("DeviceCapabilitiesManifest");
            text(&document)
        }
    }
}

/// The status of a deployment.
pub(super) fn status(dialect: &Dialect, status: &DeploymentStatus) -> Result<Vec<u8>, Misfit> {
    if status.device_id.is_some() && !dialect.device_in_path {
        let why = "devices behind a gateway came with late copies; choose a dialect that has them";
        return Err(why.into());
    }
    let bytes = write(status, SpecVersion::Rc1)?;
    if dialect.documents != Documents::First {
        return Ok(bytes);
    }
    let mut document = tree(&bytes)?;
    document["apiVersion"] = json!("margo.org");
    document["kind"] = json!("DeploymentStatus");
    if let Some(members) = document.as_object_mut() {
        members.remove("adoptedManifestVersion");
    }
    in_title_case(&mut document["status"]);
    let components = document["components"].as_array_mut();
    components.into_iter().flatten().for_each(in_title_case);
    text(&document)
}

/// `installed` becomes `Installed`, and errors lose the member that this form does not have.
fn in_title_case(part: &mut Value) {
    if let Some(state) = part["state"].as_str() {
        let mut letters = state.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        part["state"] = first.into_iter().chain(letters).collect::<String>().into();
    }
    if let Some(error) = part.get_mut("error").and_then(Value::as_object_mut) {
        error.remove("source");
    }
}

fn tree(bytes: &[u8]) -> Result<Value, Misfit> {
    Ok(serde_json::from_slice(bytes)?)
}

fn text(document: &Value) -> Result<Vec<u8>, Misfit> {
    Ok(serde_json::to_vec(document)?)
}
