//! Descriptions: root, catalogue, profiles and components (rc3.md 1.1 to 1.4, 1.8).

use serde_json::{Value, json};

use super::case::{Case, case, check, remove, set};

/// A description with every part, which has no findings.
pub(super) fn valid() -> Value {
    json!({
        "apiVersion": "v1",
        "id": "com-example-press-monitor",
        "metadata": {
            "name": "Press Monitor",
            "version": "3.1",
            "catalog": {
                "application": { "icon": "./resources/press.png", "tags": ["pressing"] },
                "author": [{ "name": "Ada", "email": "ada@example.com" }],
                "organization": [{ "name": "Example Presses" }],
            },
        },
        "deploymentProfiles": [
            {
                "type": "helm",
                "id": "cluster",
                "components": [
                    component("monitor", "charts/monitor"),
                    component("store", "charts/store"),
                ],
                "deviceConstraints": {
                    "capacityRequirements": {
                        "cpu": { "cores": 1.5, "architectures": ["amd64", "arm64"] },
                        "memory": "512Mi",
                        "storage": "2Ti",
                    },
                    "eligibilityRules": [
                        {
                            "propertySelector": {
                                "matchExpressions": [
                                    { "key": "/vendor", "operator": "In", "values": ["Example"] },
                                    {
                                        "key": "/peripherals",
                                        "operator": "ContainsAll",
                                        "itemSelector": {
                                            "matchExpressions": [
                                                { "key": "/type", "operator": "In", "values": ["camera"] },
                                            ],
                                        },
                                    },
                                ],
                            },
                            "labelSelector": {
                                "matchExpressions": [
                                    { "key": "example.com/hall", "operator": "Exists" },
                                    { "key": "example.com/speed", "operator": "Gt", "values": [10] },
                                ],
                            },
                        },
                    ],
                },
            },
            {
                "type": "compose",
                "id": "single",
                "components": [component("monitor-compose", "compose/monitor")],
            },
            {
                "type": "custom",
                "id": "plc",
                "components": [component("monitor-plc", "plc/monitor")],
                "deviceConstraints": {
                    "eligibilityRules": [{
                        "labelSelector": {
                            "matchExpressions": [{ "key": "example.com/plc", "operator": "Exists" }],
                        },
                    }],
                },
            },
        ],
        "parameters": {
            "interval": {
                "value": 30,
                "targets": [
                    { "pointer": "poll.interval", "components": ["monitor"] },
                    { "pointer": "POLL_INTERVAL", "components": ["monitor-compose"] },
                ],
            },
            "site": { "targets": [{ "pointer": "site.name", "components": ["monitor", "store"] }] },
        },
        "configuration": {
            "sections": [
                {
                    "name": "General",
                    "settings": [
                        { "parameter": "interval", "name": "Interval", "schema": "seconds" },
                        { "parameter": "site", "name": "Site", "schema": "place" },
                    ],
                },
                { "name": "More", "settings": [] },
            ],
            "schema": [
                { "name": "seconds", "dataType": "integer", "minValue": 5, "maxValue": 600 },
                { "name": "place", "dataType": "string", "minLength": 2, "maxLength": 40, "regexMatch": "^[A-Z]" },
                { "name": "share", "dataType": "double", "minPrecision": 0, "maxPrecision": 2 },
                { "name": "colour", "dataType": "array[string]", "multiselect": true, "options": ["red", "green"] },
            ],
        },
        "x-acme-extensions": { "shelf": 7 },
    })
}

fn component(name: &str, repository: &str) -> Value {
    json!({
        "name": name,
        "properties": {
            "repository": format!("oci://registry.example/{repository}"),
            "revision": "1.4.0-rc.1_b.7",
            "timeout": "8m30s",
        },
    })
}

pub(super) const CASES: &[Case] = &[
    case(
        "P1: apiVersion",
        |d| set(d, "/apiVersion", "v2"),
        "application.api-version",
        "apiVersion",
    ),
    case(
        "P1: apiVersion of an older generation",
        |d| set(d, "/apiVersion", "margo.org/v1-alpha1"),
        "application.api-version",
        "apiVersion",
    ),
    case(
        "P15: a version that cannot be a tag",
        |d| set(d, "/metadata/version", "1 0"),
        "application.version-tag",
        "metadata.version",
    ),
    case(
        "1.2: blank name",
        |d| set(d, "/metadata/name", " "),
        "text.empty",
        "metadata.name",
    ),
    case(
        "1.2: no organization",
        |d| set(d, "/metadata/catalog/organization", json!([])),
        "application.organization",
        "metadata.catalog.organization",
    ),
    case(
        "1.2: organization without a name",
        |d| set(d, "/metadata/catalog/organization/0/name", ""),
        "text.empty",
        "metadata.catalog.organization[0].name",
    ),
    case(
        "1.2: e-mail address without @",
        |d| set(d, "/metadata/catalog/author/0/email", "ada.example.com"),
        "application.author-email",
        "metadata.catalog.author[0].email",
    ),
    case(
        "1.1: no profile",
        |d| {
            set(d, "/deploymentProfiles", json!([]));
            remove(d, "/parameters");
            remove(d, "/configuration");
        },
        "application.profiles",
        "deploymentProfiles",
    ),
    case(
        "1.3: unknown profile type",
        |d| set(d, "/deploymentProfiles/0/type", "kubernetes"),
        "profile.type",
        "deploymentProfiles[0].type",
    ),
    case(
        "1.3: profile ids are unique",
        |d| set(d, "/deploymentProfiles/1/id", "cluster"),
        "application.profile-id",
        "deploymentProfiles[1].id",
    ),
    case(
        "1.3: empty profile id",
        |d| set(d, "/deploymentProfiles/1/id", ""),
        "text.empty",
        "deploymentProfiles[1].id",
    ),
    case(
        "1.3: profile without components",
        |d| set(d, "/deploymentProfiles/2/components", json!([])),
        "profile.components",
        "deploymentProfiles[2].components",
    ),
    case(
        "P8: custom profile without constraints",
        |d| remove(d, "/deploymentProfiles/2/deviceConstraints"),
        "application.custom-labels",
        "deploymentProfiles[2].deviceConstraints",
    ),
    case(
        "P8: custom profile with property selectors only",
        |d| {
            let rule = &mut d["deploymentProfiles"][2]["deviceConstraints"]["eligibilityRules"][0];
            rule["labelSelector"]["matchExpressions"][0]["key"] = json!("/vendor");
            let selector = rule["labelSelector"].take();
            *rule = json!({ "propertySelector": selector });
        },
        "application.custom-labels",
        "deploymentProfiles[2].deviceConstraints",
    ),
    case(
        "1.4: component names are unique in a profile",
        |d| {
            set(d, "/deploymentProfiles/0/components/1/name", "monitor");
            set(
                d,
                "/parameters/site/targets/0/components",
                json!(["monitor"]),
            );
        },
        "component.name",
        "deploymentProfiles[0].components[1].name",
    ),
    case(
        "P4: repository outside a registry",
        |d| {
            set(
                d,
                "/deploymentProfiles/0/components/0/properties/repository",
                "https://registry.example/x",
            );
        },
        "component.repository",
        "deploymentProfiles[0].components[0].properties.repository",
    ),
    case(
        "P4: no repository",
        |d| {
            remove(
                d,
                "/deploymentProfiles/1/components/0/properties/repository",
            );
        },
        "component.repository",
        "deploymentProfiles[1].components[0].properties.repository",
    ),
    case(
        "P4: no revision",
        |d| remove(d, "/deploymentProfiles/1/components/0/properties/revision"),
        "component.revision",
        "deploymentProfiles[1].components[0].properties.revision",
    ),
    case(
        "P4: revision with a leading v",
        |d| {
            set(
                d,
                "/deploymentProfiles/0/components/0/properties/revision",
                "v1.0.0",
            );
        },
        "component.revision",
        "deploymentProfiles[0].components[0].properties.revision",
    ),
    case(
        "P4: revision of two numbers",
        |d| {
            set(
                d,
                "/deploymentProfiles/0/components/0/properties/revision",
                "1.0",
            );
        },
        "component.revision",
        "deploymentProfiles[0].components[0].properties.revision",
    ),
    case(
        "1.4: time-out in seconds",
        |d| {
            set(
                d,
                "/deploymentProfiles/0/components/0/properties/timeout",
                "30s",
            );
        },
        "component.timeout",
        "deploymentProfiles[0].components[0].properties.timeout",
    ),
    case(
        "0.1: archive behind a URL",
        |d| {
            set(
                d,
                "/deploymentProfiles/1/components/0/properties/packageLocation",
                "https://x.example/a.tgz",
            );
        },
        "component.package-location",
        "deploymentProfiles[1].components[0].properties.packageLocation",
    ),
    case(
        "0.1: key of an archive behind a URL",
        |d| {
            set(
                d,
                "/deploymentProfiles/1/components/0/properties/keyLocation",
                "https://x.example/a.asc",
            );
        },
        "component.package-location",
        "deploymentProfiles[1].components[0].properties.keyLocation",
    ),
    case(
        "9: unknown member of an open object",
        |d| set(d, "/colour", "red"),
        "member.unknown",
        "colour",
    ),
    case(
        "9: unknown member of a closed object",
        |d| set(d, "/deploymentProfiles/0/components/0/colour", "red"),
        "member.forbidden",
        "deploymentProfiles[0].components[0].colour",
    ),
    case(
        "P10: extension key with a capital",
        |d| set(d, "/x-Acme-extensions", json!({})),
        "extension.name",
        "x-Acme-extensions",
    ),
    case(
        "P10: extension key with a capital, in a profile",
        |d| set(d, "/deploymentProfiles/0/x-ac_me-extensions", json!({})),
        "extension.name",
        "deploymentProfiles[0].x-ac_me-extensions",
    ),
    case(
        "P10: extension key with a capital, in a component",
        |d| {
            set(
                d,
                "/deploymentProfiles/0/components/0/x-Acme-extensions",
                json!({}),
            );
        },
        "member.forbidden",
        "deploymentProfiles[0].components[0].x-Acme-extensions",
    ),
    case(
        "P10: extension value that is a string",
        |d| set(d, "/x-acme-extensions", "shelf 7"),
        "extension.value",
        "x-acme-extensions",
    ),
    case(
        "P10: extension value that is a list, in a component",
        |d| {
            set(
                d,
                "/deploymentProfiles/0/components/0/x-acme-extensions",
                json!([1]),
            );
        },
        "extension.value",
        "deploymentProfiles[0].components[0].x-acme-extensions",
    ),
    case(
        "P9: extension in the metadata",
        |d| set(d, "/metadata/x-acme-extensions", json!({})),
        "extension.place",
        "metadata.x-acme-extensions",
    ),
    case(
        "P9: extension in the properties of a component",
        |d| {
            set(
                d,
                "/deploymentProfiles/0/components/0/properties/x-acme-extensions",
                json!({}),
            );
        },
        "extension.place",
        "deploymentProfiles[0].components[0].properties.x-acme-extensions",
    ),
];

#[test]
fn descriptions() {
    check(&valid(), CASES);
}

/// rc3.md ambiguity 59.
#[test]
fn two_profiles_may_share_component_names_and_then_pointers_are_not_judged() {
    let mut document = valid();
    set(
        &mut document,
        "/deploymentProfiles/1/components/0/name",
        "monitor",
    );
    set(
        &mut document,
        "/parameters/interval/targets/1/components/0",
        "monitor",
    );
    let report = super::case::report_on(&document);
    assert!(report.findings().is_empty(), "{report}");
}
