//! Deployments (rc3.md 2).

use serde_json::{Value, json};

use super::case::{Case, case, check, remove, report_on, set};

pub(super) fn valid() -> Value {
    json!({
        "id": "5f2c9a6e-0c1b-4f0e-9a53-6d1f0e7b8a21",
        "metadata": {
            "name": "press-monitor",
            "namespace": "hall-7",
            "deviceId": "cell-2/press-4",
            "labels": { "shift": "early" },
        },
        "spec": {
            "applicationId": "com-example-press-monitor",
            "deploymentProfile": {
                "type": "helm",
                "components": [
                    {
                        "name": "monitor",
                        "properties": {
                            "repository": "oci://registry.example/charts/monitor",
                            "revision": "1.4.0",
                            "wait": true,
                            "timeout": "5m0s",
                        },
                        "x-acme-extensions": {},
                    },
                ],
                "deviceConstraints": { "capacityRequirements": { "memory": "512Mi" } },
                "x-acme-extensions": {},
            },
            "parameters": {
                "interval": {
                    "value": "30",
                    "targets": [{ "pointer": "poll.interval", "components": ["monitor"] }],
                },
            },
            "x-wfm-extensions": { "shelf": 7 },
        },
    })
}

pub(super) const CASES: &[Case] = &[
    case(
        "2: name that Kubernetes refuses",
        |d| set(d, "/metadata/name", "Press_Monitor"),
        "deployment.name",
        "metadata.name",
    ),
    case(
        "2: empty name",
        |d| set(d, "/metadata/name", ""),
        "deployment.name",
        "metadata.name",
    ),
    case(
        "2: no namespace",
        |d| remove(d, "/metadata/namespace"),
        "deployment.namespace",
        "metadata.namespace",
    ),
    case(
        "2: namespace with a dot",
        |d| set(d, "/metadata/namespace", "hall.7"),
        "deployment.namespace-name",
        "metadata.namespace",
    ),
    case(
        "2: namespace of 64 characters",
        |d| set(d, "/metadata/namespace", "a".repeat(64)),
        "deployment.namespace-name",
        "metadata.namespace",
    ),
    case(
        "2: no device",
        |d| remove(d, "/metadata/deviceId"),
        "deployment.device-id",
        "metadata.deviceId",
    ),
    case(
        "W33: no application",
        |d| remove(d, "/spec/applicationId"),
        "deployment.application-id",
        "spec.applicationId",
    ),
    case(
        "2: unknown profile type",
        |d| set(d, "/spec/deploymentProfile/type", "wasm"),
        "profile.type",
        "spec.deploymentProfile.type",
    ),
    case(
        "W34: repository outside a registry",
        |d| {
            set(
                d,
                "/spec/deploymentProfile/components/0/properties/repository",
                "https://x.example/y",
            );
        },
        "component.repository",
        "spec.deploymentProfile.components[0].properties.repository",
    ),
    case(
        "W34: revision that is no version",
        |d| {
            set(
                d,
                "/spec/deploymentProfile/components/0/properties/revision",
                "latest",
            );
        },
        "component.revision",
        "spec.deploymentProfile.components[0].properties.revision",
    ),
    case(
        "1.5: memory with a blank",
        |d| {
            set(
                d,
                "/spec/deploymentProfile/deviceConstraints/capacityRequirements/memory",
                "5 Gi",
            );
        },
        "capacity.memory",
        "spec.deploymentProfile.deviceConstraints.capacityRequirements.memory",
    ),
    case(
        "1.6: target in a component of another profile",
        |d| {
            set(
                d,
                "/spec/parameters/interval/targets/0/components/1",
                "monitor-compose",
            );
        },
        "deployment.target-component",
        "spec.parameters.interval.targets[0].components[1]",
    ),
    case(
        "2: unknown member of the spec",
        |d| set(d, "/spec/colour", "red"),
        "member.forbidden",
        "spec.colour",
    ),
    case(
        "2: the profile has no id of its own",
        |d| set(d, "/spec/deploymentProfile/id", "cluster"),
        "member.forbidden",
        "spec.deploymentProfile.id",
    ),
    case(
        "2: unknown member of a component",
        |d| set(d, "/spec/deploymentProfile/components/0/colour", "red"),
        "member.forbidden",
        "spec.deploymentProfile.components[0].colour",
    ),
    case(
        "P10: extension key with a capital",
        |d| set(d, "/spec/x-Wfm-extensions", json!({})),
        "member.forbidden",
        "spec.x-Wfm-extensions",
    ),
    case(
        "P10: extension that is no object",
        |d| set(d, "/spec/deploymentProfile/x-acme-extensions", 7),
        "extension.value",
        "spec.deploymentProfile.x-acme-extensions",
    ),
    case(
        "W32: extension at the root",
        |d| set(d, "/x-wfm-extensions", json!({})),
        "extension.place",
        "x-wfm-extensions",
    ),
    case(
        "9: unknown member of the root",
        |d| set(d, "/colour", "red"),
        "member.unknown",
        "colour",
    ),
    case(
        "9: unknown member of the metadata",
        |d| set(d, "/metadata/colour", "red"),
        "member.unknown",
        "metadata.colour",
    ),
    case(
        "9: unknown member of a parameter",
        |d| set(d, "/spec/parameters/interval/colour", "red"),
        "member.unknown",
        "spec.parameters.interval.colour",
    ),
];

#[test]
fn deployments() {
    check(&valid(), CASES);
}

/// rc3.md ambiguity 2.
#[test]
fn annotations_are_tolerated() {
    let mut document = valid();
    set(
        &mut document,
        "/metadata/annotations",
        json!({ "note": "undefined" }),
    );
    assert!(report_on(&document).findings().is_empty());
}
