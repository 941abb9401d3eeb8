//! Files with answers to the questions of an application.

use std::sync::LazyLock;

use margo_package::instantiate::{InstantiateError, Instantiation, read_answers};
use margo_types::application::ApplicationDescription;
use margo_types::id::{DeploymentId, DeviceTarget};
use margo_types::values::Answers;
use margo_types::{SpecVersion, read, validate};
use serde_json::Value;

use super::check::check_error;

/// Answers that are taken obey the rules of the description and make a valid deployment; all others are refused in words.
pub fn answers(data: &[u8]) {
    let answers = match read_answers(data, Answers::new(&DESCRIPTION)) {
        Ok(answers) => answers,
        Err(error) => return check_error(&error),
    };
    let instantiation = Instantiation::new(&DESCRIPTION, "compose").expect("a profile");
    let id = DeploymentId::from_uuid_bytes([1; 16]);
    let target: DeviceTarget = "gw-1/*".parse().expect("a target");
    match instantiation.install(id, "pumps", "line-4", target, &answers) {
        Ok(deployment) => {
            let report = validate(&deployment, SpecVersion::NEWEST);
            assert!(report.is_valid(), "{report}");
            let value = |name: &str| Some(&deployment.spec.parameters.get(name)?.value);
            let rate = value("rate").and_then(Value::as_f64);
            assert!(
                rate.is_some_and(|rate| (10.0..=60.0).contains(&rate)),
                "{rate:?}"
            );
            let site = value("site").and_then(Value::as_str);
            assert!(
                site.is_none_or(|site| site.chars().count() <= 8),
                "{site:?}"
            );
            let names = deployment.spec.parameters.keys();
            assert!(
                names
                    .into_iter()
                    .all(|name| name == "rate" || name == "site")
            );
        }
        Err(InstantiateError::Answers(invalid)) => {
            assert!(!invalid.faults.is_empty());
            for fault in &invalid.faults {
                let text = fault.to_string();
                let is_one_line = !text.chars().any(char::is_control);
                assert!(is_one_line && text.len() < 1 << 12, "{text:?}");
            }
        }
        Err(error) => panic!("{error}"),
    }
}

static DESCRIPTION: LazyLock<ApplicationDescription> = LazyLock::new(|| {
    let description = read::<ApplicationDescription>(WORDS.as_bytes()).expect("a description");
    description.into_value()
});

const WORDS: &str = "\
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
    components:
      - name: monitor
        properties:
          repository: oci://registry.example/pumps/monitor
          revision: 2.1.0
parameters:
  rate:
    value: 30
    targets:
      - pointer: RATE
        components: [monitor]
  site:
    targets:
      - pointer: SITE
        components: [monitor]
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
  schema:
    - name: rate
      dataType: integer
      minValue: 10
      maxValue: 60
    - name: text
      dataType: string
      allowEmpty: true
      maxLength: 8
";
