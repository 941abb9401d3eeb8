//! The types of the fields that charts usually set, as far as the API server refuses other values for them.
//!
//! Fields that are not in it are taken as they are: this is no full schema.

use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, Engine as _};
use serde_json::Value;

use super::failure::Failure;
use super::resource::Resource;

/// Refuses an object that cannot be decoded, in the words of the server.
pub(super) fn check_types(resource: &Resource, object: &Value) -> Result<(), Failure> {
    let cannot = |why: &str| {
        Failure::bad_request(format!(
            "{} in version {:?} cannot be handled as a {}: {why}",
            resource.kind, resource.version, resource.kind
        ))
    };
    let check = |name: &str, shape: &Shape| {
        let value = &object[name];
        shape
            .check(value, &resource.kind, name)
            .map_err(|why| cannot(&why))
    };
    check("metadata", &METADATA)?;
    if !resource.is_built_in {
        return Ok(());
    }
    let spec = match resource.kind.as_str() {
        "Pod" => &POD_SPEC,
        "Deployment" => &DEPLOYMENT_SPEC,
        "StatefulSet" => &STATEFUL_SET_SPEC,
        "DaemonSet" | "ReplicaSet" | "ReplicationController" => &SET_SPEC,
        "Job" => &JOB_SPEC,
        "CronJob" => &CRON_JOB_SPEC,
        "Service" => &SERVICE_SPEC,
        "ConfigMap" => {
            check("data", &TextMap)?;
            check("binaryData", &BytesMap)?;
            return check("immutable", &Switch);
        }
        "Secret" => {
            check("data", &BytesMap)?;
            check("stringData", &TextMap)?;
            check("type", &Text)?;
            return check("immutable", &Switch);
        }
        "StorageClass" => return check("provisioner", &Text),
        "Event" | "Endpoints" | "ServiceAccount" => return Ok(()),
        _ => &Members("Spec", &[]),
    };
    check("spec", spec)
}

/// What a value has to be. Null is always one.
enum Shape {
    Text,
    Whole,
    Switch,
    TextOrWhole,
    TextOrNumber,
    TextMap,
    /// Base64, which may be in lines.
    BytesMap,
    QuantityMap,
    List(&'static Shape),
    /// The name of its type, and those of its members that are known.
    Members(&'static str, &'static [(&'static str, &'static Shape)]),
}

use Shape::{
    BytesMap, List, Members, QuantityMap, Switch, Text, TextMap, TextOrNumber, TextOrWhole, Whole,
};

impl Shape {
    /// `field` is the type and the path of the field, as the server says it.
    fn check(&self, value: &Value, kind: &str, path: &str) -> Result<(), String> {
        if value.is_null() {
            return Ok(());
        }
        let wrong = |expected: &str| {
            let found = match value {
                Value::Null => "null",
                Value::Bool(_) => "bool",
                Value::Number(_) => "number",
                Value::String(_) => "string",
                Value::Array(_) => "array",
                Value::Object(_) => "object",
            };
            format!(
                "json: cannot unmarshal {found} into Go struct field {kind}.{path} of type {expected}"
            )
        };
        let ensure =
            |holds: bool, expected: &str| if holds { Ok(()) } else { Err(wrong(expected)) };
        match self {
            Text => ensure(value.is_string(), "string"),
            Whole => ensure(is_int32(value), "int32"),
            Switch => ensure(value.is_boolean(), "bool"),
            TextOrWhole => ensure(value.is_string() || is_int32(value), "intstr.IntOrString"),
            TextOrNumber => ensure(value.is_string() || value.is_number(), "resource.Quantity"),
            TextMap | QuantityMap => {
                let (each, name) = match self {
                    TextMap => (&Text, "map[string]string"),
                    _ => (&TextOrNumber, "v1.ResourceList"),
                };
                let members = value.as_object().ok_or_else(|| wrong(name))?;
                members
                    .values()
                    .try_for_each(|member| each.check(member, kind, path))
            }
            BytesMap => {
                TextMap.check(value, kind, path)?;
                let members = value.as_object().into_iter().flatten();
                members
                    .filter_map(|(_, text)| text.as_str())
                    .try_for_each(check_base64)
            }
            List(shape) => {
                let list = value.as_array().ok_or_else(|| wrong("[]"))?;
                list.iter()
                    .try_for_each(|item| shape.check(item, kind, path))
            }
            Members(name, known) => {
                let object = value
                    .as_object()
                    .ok_or_else(|| wrong(&format!("v1.{name}")))?;
                known.iter().try_for_each(|(member, shape)| {
                    let value = object.get(*member).unwrap_or(&Value::Null);
                    shape.check(value, name, &format!("{path}.{member}"))
                })
            }
        }
    }
}

fn check_base64(text: &str) -> Result<(), String> {
    let line = text.replace(['\r', '\n'], "");
    let Err(error) = STANDARD.decode(&line) else {
        return Ok(());
    };
    let place = match error {
        DecodeError::InvalidByte(place, _) => place,
        // Some are missing at the end.
        _ => line.len() / 4 * 4,
    };
    Err(format!("illegal base64 data at input byte {place}"))
}

fn is_int32(value: &Value) -> bool {
    value
        .as_i64()
        .is_some_and(|number| i32::try_from(number).is_ok())
}

const METADATA: Shape = Members(
    "ObjectMeta",
    &[
        ("name", &Text),
        ("generateName", &Text),
        ("namespace", &Text),
        ("labels", &TextMap),
        ("annotations", &TextMap),
        ("finalizers", &List(&Text)),
        (
            "ownerReferences",
            &List(&Members(
                "OwnerReference",
                &[
                    ("apiVersion", &Text),
                    ("kind", &Text),
                    ("name", &Text),
                    ("uid", &Text),
                ],
            )),
        ),
    ],
);

const SELECTOR: Shape = Members(
    "LabelSelector",
    &[
        ("matchLabels", &TextMap),
        (
            "matchExpressions",
            &List(&Members("LabelSelectorRequirement", &[])),
        ),
    ],
);

const PROBE: Shape = Members(
    "Probe",
    &[
        ("initialDelaySeconds", &Whole),
        ("periodSeconds", &Whole),
        ("timeoutSeconds", &Whole),
        ("failureThreshold", &Whole),
        (
            "httpGet",
            &Members(
                "HTTPGetAction",
                &[("path", &Text), ("port", &TextOrWhole), ("scheme", &Text)],
            ),
        ),
        (
            "tcpSocket",
            &Members("TCPSocketAction", &[("port", &TextOrWhole)]),
        ),
        ("exec", &Members("ExecAction", &[("command", &List(&Text))])),
    ],
);

const CONTAINER: Shape = Members(
    "Container",
    &[
        ("name", &Text),
        ("image", &Text),
        ("imagePullPolicy", &Text),
        ("command", &List(&Text)),
        ("args", &List(&Text)),
        ("workingDir", &Text),
        (
            "env",
            &List(&Members(
                "EnvVar",
                &[
                    ("name", &Text),
                    ("value", &Text),
                    ("valueFrom", &Members("EnvVarSource", &[])),
                ],
            )),
        ),
        ("envFrom", &List(&Members("EnvFromSource", &[]))),
        (
            "ports",
            &List(&Members(
                "ContainerPort",
                &[
                    ("containerPort", &Whole),
                    ("hostPort", &Whole),
                    ("name", &Text),
                    ("protocol", &Text),
                ],
            )),
        ),
        (
            "resources",
            &Members(
                "ResourceRequirements",
                &[("limits", &QuantityMap), ("requests", &QuantityMap)],
            ),
        ),
        (
            "volumeMounts",
            &List(&Members(
                "VolumeMount",
                &[
                    ("name", &Text),
                    ("mountPath", &Text),
                    ("subPath", &Text),
                    ("readOnly", &Switch),
                ],
            )),
        ),
        ("livenessProbe", &PROBE),
        ("readinessProbe", &PROBE),
        ("startupProbe", &PROBE),
        (
            "securityContext",
            &Members(
                "SecurityContext",
                &[("privileged", &Switch), ("runAsUser", &Whole)],
            ),
        ),
        ("stdin", &Switch),
        ("tty", &Switch),
    ],
);

const POD_SPEC: Shape = Members(
    "PodSpec",
    &[
        ("containers", &List(&CONTAINER)),
        ("initContainers", &List(&CONTAINER)),
        ("volumes", &List(&Members("Volume", &[("name", &Text)]))),
        (
            "imagePullSecrets",
            &List(&Members("LocalObjectReference", &[("name", &Text)])),
        ),
        ("restartPolicy", &Text),
        ("serviceAccountName", &Text),
        ("terminationGracePeriodSeconds", &Whole),
        ("nodeSelector", &TextMap),
        ("hostNetwork", &Switch),
        (
            "securityContext",
            &Members(
                "PodSecurityContext",
                &[("fsGroup", &Whole), ("runAsUser", &Whole)],
            ),
        ),
    ],
);

const TEMPLATE: Shape = Members(
    "PodTemplateSpec",
    &[("metadata", &METADATA), ("spec", &POD_SPEC)],
);

const DEPLOYMENT_SPEC: Shape = Members(
    "DeploymentSpec",
    &[
        ("replicas", &Whole),
        ("selector", &SELECTOR),
        ("template", &TEMPLATE),
        ("minReadySeconds", &Whole),
        ("progressDeadlineSeconds", &Whole),
        ("revisionHistoryLimit", &Whole),
        ("paused", &Switch),
        (
            "strategy",
            &Members(
                "DeploymentStrategy",
                &[
                    ("type", &Text),
                    (
                        "rollingUpdate",
                        &Members(
                            "RollingUpdateDeployment",
                            &[("maxSurge", &TextOrWhole), ("maxUnavailable", &TextOrWhole)],
                        ),
                    ),
                ],
            ),
        ),
    ],
);

const CLAIM: Shape = Members(
    "PersistentVolumeClaim",
    &[
        ("metadata", &METADATA),
        ("spec", &Members("PersistentVolumeClaimSpec", &[])),
    ],
);

const STATEFUL_SET_SPEC: Shape = Members(
    "StatefulSetSpec",
    &[
        ("replicas", &Whole),
        ("selector", &SELECTOR),
        ("template", &TEMPLATE),
        ("serviceName", &Text),
        ("podManagementPolicy", &Text),
        ("volumeClaimTemplates", &List(&CLAIM)),
        (
            "updateStrategy",
            &Members("StatefulSetUpdateStrategy", &[("type", &Text)]),
        ),
    ],
);

const SET_SPEC: Shape = Members("Spec", &[("replicas", &Whole), ("template", &TEMPLATE)]);

const JOB_SPEC: Shape = Members(
    "JobSpec",
    &[
        ("parallelism", &Whole),
        ("completions", &Whole),
        ("backoffLimit", &Whole),
        ("activeDeadlineSeconds", &Whole),
        ("ttlSecondsAfterFinished", &Whole),
        ("selector", &SELECTOR),
        ("template", &TEMPLATE),
    ],
);

const CRON_JOB_SPEC: Shape = Members(
    "CronJobSpec",
    &[
        ("schedule", &Text),
        ("suspend", &Switch),
        (
            "jobTemplate",
            &Members(
                "JobTemplateSpec",
                &[("metadata", &METADATA), ("spec", &JOB_SPEC)],
            ),
        ),
    ],
);

const SERVICE_SPEC: Shape = Members(
    "ServiceSpec",
    &[
        ("type", &Text),
        ("clusterIP", &Text),
        ("selector", &TextMap),
        (
            "ports",
            &List(&Members(
                "ServicePort",
                &[
                    ("name", &Text),
                    ("port", &Whole),
                    ("targetPort", &TextOrWhole),
                    ("nodePort", &Whole),
                    ("protocol", &Text),
                ],
            )),
        ),
    ],
);
