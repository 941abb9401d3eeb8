//! Claims of volumes: bound at once when there is such a storage class.

use serde_json::{Value, json};

use super::super::defaults::DEFAULT_STORAGE_CLASS;
use super::super::document::{set, text};
use super::super::objects::Key;
use super::super::state::State;
use super::status::{set_status, warn};

pub(super) fn claim(state: &mut State, key: &Key, claim: &Value) {
    let spec = &claim["spec"];
    if claim["status"]["phase"] == "Bound" {
        return;
    }
    let class = spec["storageClassName"]
        .as_str()
        .unwrap_or(DEFAULT_STORAGE_CLASS);
    let class_key = Key::of("storage.k8s.io", "storageclasses", "", class);
    if state.objects.get(&class_key).is_none() {
        let why = format!("storageclass.storage.k8s.io {class:?} not found");
        warn(state, key, claim, "ProvisioningFailed", &why);
        set_status(state, key, json!({ "phase": "Pending" }));
        return;
    }
    let volume = format!("pvc-{}", text(&claim["metadata"]["uid"]));
    let status = json!({
        "phase": "Bound",
        "accessModes": spec["accessModes"],
        "capacity": spec["resources"]["requests"],
    });
    // There is no object of the volume: nobody looks at it.
    state.objects.change(key, |claim| {
        set(claim, &["spec"], "volumeName", volume);
        claim["status"] = status;
    });
}
