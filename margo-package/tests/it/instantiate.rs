//! From descriptions to deployments.

use margo_package::instantiate::{InstantiateError, Instantiation};
use margo_types::application::ApplicationDescription;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::{DeploymentId, DeviceTarget};
use margo_types::values::Answers;
use margo_types::{ExtensionName, SpecVersion, read, validate};
use serde_json::{Map, Value, json};

const DESCRIPTION: &str = "\
apiVersion: v1
id: pump-monitor
metadata:
  name: Pump monitor
  version: \"2.1\"
  catalog:
    organization:
      - name: Pumps
deploymentProfiles:
  - type: compose
    id: compose
    description: not carried
    components:
      - name: monitor
        properties:
          repository: oci://registry.example/pumps/monitor
          revision: 2.1.0
          timeout: 2m0s
        x-acme-extensions:
          restart: gently
    deviceConstraints:
      capacityRequirements:
        memory: 64Mi
    x-acme-extensions:
      zone: b
  - type: helm
    id: helm
    components:
      - name: chart
        properties:
          repository: oci://registry.example/pumps/chart
          revision: 2.1.0
parameters:
  rate:
    value: 30
    targets:
      - pointer: RATE
        components: [monitor]
      - pointer: settings.rate
        components: [chart]
  site:
    targets:
      - pointer: SITE
        components: [monitor]
  replicas:
    value: 2
    targets:
      - pointer: replicas
        components: [chart]
configuration:
  sections:
    - name: General
      settings:
        - parameter: rate
          name: Rate
          schema: rate
        - parameter: site
          name: Site
          schema: text
          immutable: true
  schema:
    - name: rate
      dataType: integer
      minValue: 10
      maxValue: 60
    - name: text
      dataType: string
x-acme-extensions:
  for: the fleet manager
";

#[test]
fn a_deployment_has_what_the_device_needs_and_nothing_else() {
    let description = description();
    let wfm = ExtensionName::parse("wfm").unwrap();
    let priority = Map::from_iter([("priority".to_owned(), json!(1))]);
    let answers = Answers::new(&description)
        .text("rate", "45")
        .text("site", "north");
    let deployment = Instantiation::new(&description, "compose")
        .unwrap()
        .device_extension(&wfm, priority)
        .install(id(), "pumps", "line-4", target(), &answers)
        .unwrap();

    let report = validate(&deployment, SpecVersion::NEWEST);
    assert!(report.is_valid(), "{report}");
    let written = serde_json::to_value(&deployment).unwrap();
    assert_eq!(written["id"], "ad9b614e-8912-45f4-a523-372358765def");
    assert_eq!(
        written["metadata"],
        json!({ "name": "pumps", "namespace": "line-4", "deviceId": "gw-1/*" })
    );
    let spec = &written["spec"];
    assert_eq!(spec["applicationId"], "pump-monitor");
    assert_eq!(spec["x-wfm-extensions"], json!({ "priority": 1 }));
    assert_eq!(
        spec["x-acme-extensions"],
        Value::Null,
        "root extensions are for the fleet manager"
    );
    let profile = &spec["deploymentProfile"];
    assert_eq!(profile["x-acme-extensions"], json!({ "zone": "b" }));
    assert_eq!(
        profile["deviceConstraints"],
        json!({ "capacityRequirements": { "memory": "64Mi" } })
    );
    assert_eq!(profile["description"], Value::Null);
    assert_eq!(
        profile["components"][0]["x-acme-extensions"],
        json!({ "restart": "gently" })
    );
    assert_eq!(profile["components"][0]["properties"]["timeout"], "2m0s");
    assert_eq!(spec["parameters"]["rate"]["value"], 45);
    assert_eq!(
        spec["parameters"]["rate"]["targets"],
        json!([{ "pointer": "RATE", "components": ["monitor"] }])
    );
    assert_eq!(
        spec["parameters"]["replicas"],
        Value::Null,
        "it has no target in this profile"
    );
}

#[test]
fn an_update_keeps_identity_and_unanswered_values() {
    let description = description();
    let installed = install(&description);
    let update = Instantiation::new(&description, "compose").unwrap();
    let changed = update
        .update(&installed, Answers::new(&description).text("rate", "20"))
        .unwrap();
    assert_eq!(changed.id, installed.id);
    assert_eq!(changed.metadata, installed.metadata);
    assert_eq!(changed.spec.parameters["rate"].value, 20);
    assert_eq!(changed.spec.parameters["site"].value, "north");
}

#[test]
fn immutable_settings_stay() {
    let description = description();
    let installed = install(&description);
    let update = Instantiation::new(&description, "compose").unwrap();
    let error = update
        .update(&installed, Answers::new(&description).text("site", "south"))
        .unwrap_err();
    assert!(matches!(error, InstantiateError::Answers(_)), "{error}");
    assert!(error.to_string().contains("site"), "{error}");
}

#[test]
fn all_wrong_answers_are_reported_together() {
    let description = description();
    let answers = Answers::new(&description)
        .text("rate", "5")
        .text("colour", "red");
    let error = Instantiation::new(&description, "compose")
        .unwrap()
        .install(id(), "pumps", "line-4", target(), &answers)
        .unwrap_err()
        .to_string();
    for word in ["rate", "colour", "site"] {
        assert!(error.contains(word), "{word} is missing in: {error}");
    }
}

#[test]
fn unknown_profiles_and_other_applications_are_refused() {
    let description = description();
    let error = Instantiation::new(&description, "kubernetes")
        .unwrap_err()
        .to_string();
    assert!(error.contains("compose, helm"), "{error}");

    let mut other = install(&description);
    other.spec.application_id = Some("valves".parse().unwrap());
    let update = Instantiation::new(&description, "compose").unwrap();
    let error = update
        .update(&other, Answers::new(&description))
        .unwrap_err();
    assert!(
        matches!(error, InstantiateError::OtherApplication { .. }),
        "{error}"
    );
}

fn install(description: &ApplicationDescription) -> ApplicationDeployment {
    let answers = Answers::new(description).text("site", "north");
    let compose = Instantiation::new(description, "compose").unwrap();
    compose
        .install(id(), "pumps", "line-4", target(), &answers)
        .unwrap()
}

fn description() -> ApplicationDescription {
    read(DESCRIPTION.as_bytes()).unwrap().into_value()
}

fn id() -> DeploymentId {
    "ad9b614e-8912-45f4-a523-372358765def".parse().unwrap()
}

fn target() -> DeviceTarget {
    "gw-1/*".parse().unwrap()
}
