//! Documents between a device and its fleet manager, as a generation can express them.

use std::collections::BTreeMap;

use margo_types::application::{Architecture, DeploymentType};
use margo_types::capabilities::{
    Cpu, DeviceCapabilities, DeviceProperties, Interface, InterfaceType, Peripheral,
    PeripheralType, Runtime,
};
use margo_types::manifest::{BundleReference, DeploymentReference, ManifestVersion, StateManifest};
use margo_types::onboarding::{Certificate, OnboardingRequest, OnboardingResponse};
use margo_types::problem::{Problem, ProblemType};
use margo_types::scalar::Quantity;
use margo_types::status::{ComponentStatus, DeploymentState, DeploymentStatus, StatusError};
use margo_types::{Digest, SpecVersion};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

pub(crate) fn capabilities_of(generation: SpecVersion) -> BoxedStrategy<DeviceCapabilities> {
    match generation {
        SpecVersion::PreDraft => host(generation).boxed(),
        _ => prop_oneof![3 => host(generation), 1 => gateway()].boxed(),
    }
}

/// Capabilities of any generation, most of which some generation cannot express.
pub(crate) fn any_capabilities() -> impl Strategy<Value = DeviceCapabilities> {
    let loosened = (host(SpecVersion::Rc3), any::<[bool; 6]>());
    let loosened = loosened.prop_map(
        |(mut device, [labels, otel, runtimes, custom, clash, roles])| {
            if labels {
                device
                    .labels
                    .insert("line".into(), serde_json::from_value(json!(7)).unwrap());
            }
            if otel {
                device.properties.otel_collector = None;
            }
            if runtimes {
                device.properties.supported_runtimes = Some(vec![Runtime::Oci, Runtime::Custom]);
            }
            if custom {
                device.properties.supported_deployment_types = Some(vec![DeploymentType::Custom]);
            }
            if clash {
                device
                    .properties
                    .extra
                    .0
                    .insert("roles".into(), json!(["x"]));
            }
            if roles {
                let kept = json!({"roles": ["Gateway", "Cluster Leader"]});
                device.extra.0.insert("x-margo-rc1-extensions".into(), kept);
            }
            device
        },
    );
    prop_oneof![loosened, capabilities_of(SpecVersion::Rc3)]
}

fn gateway() -> impl Strategy<Value = DeviceCapabilities> {
    (identity(), extensions()).prop_map(|(properties, extensions)| {
        let mut device = DeviceCapabilities::new(properties);
        device.extra.0 = extensions;
        device
    })
}

fn host(generation: SpecVersion) -> impl Strategy<Value = DeviceCapabilities> {
    let hardware = (
        of(vec(cpu(generation), 0..4)),
        of(quantity(generation)),
        of(quantity(generation)),
        of(vec(peripheral(generation), 0..3)),
        of(vec(interface(), 0..3)),
    );
    let hosted = select(vec![
        vec![DeploymentType::Helm],
        vec![DeploymentType::Compose],
        vec![DeploymentType::Helm, DeploymentType::Compose],
        vec![DeploymentType::Compose, DeploymentType::Helm],
    ]);
    let parts = (identity(), hardware, hosted, extensions(), any::<bool>());
    parts.prop_map(|(mut properties, hardware, hosted, extensions, leads)| {
        let (cpus, memory, storage, peripherals, interfaces) = hardware;
        properties.cpus = cpus;
        properties.memory = memory;
        properties.storage = storage;
        properties.peripherals = peripherals;
        properties.interfaces = interfaces;
        properties.otel_collector = Some(true);
        properties.supported_runtimes = Some(vec![Runtime::Oci]);
        let only_helm = hosted == [DeploymentType::Helm];
        properties.supported_deployment_types = Some(hosted);
        let mut device = DeviceCapabilities::new(properties);
        device.extra.0 = extensions;
        if leads && only_helm {
            let kept = json!({"roles": ["Cluster Leader"]});
            device.extra.0.insert("x-margo-rc1-extensions".into(), kept);
        }
        device
    })
}

fn identity() -> impl Strategy<Value = DeviceProperties> {
    let parts = (
        "[a-z0-9.~_]{1,6}x(/[A-Z0-9-]{1,6}){0,2}",
        ".{0,12}",
        "[^\0]{0,8}",
        "[^\0]{0,8}",
    );
    parts.prop_map(|(id, vendor, model, serial)| {
        let vendor = vendor.replace('\0', "");
        DeviceProperties::new(id.parse().unwrap(), vendor, model, serial)
    })
}

fn cpu(generation: SpecVersion) -> impl Strategy<Value = Cpu> {
    let cores = match generation {
        SpecVersion::PreDraft => (0_u32..512).prop_map(f64::from).boxed(),
        _ => (0_u32..4096)
            .prop_map(|eighths| f64::from(eighths) / 8.0)
            .boxed(),
    };
    let architecture = select(vec![
        Architecture::Amd64,
        Architecture::Arm64,
        Architecture::Arm,
        Architecture::from("loongarch64"),
    ]);
    (cores, of(architecture), of(1_u32..9)).prop_map(|(cores, architecture, frequency)| {
        let mut cpu = Cpu::new(cores, architecture);
        cpu.extra.0 = frequency
            .map(|ghz| ("frequency".into(), ghz.into()))
            .into_iter()
            .collect();
        cpu
    })
}

fn quantity(generation: SpecVersion) -> BoxedStrategy<Quantity> {
    match generation {
        SpecVersion::PreDraft => (0_u64..5_000_000)
            .prop_map(|gigabytes| Quantity::from_bytes(gigabytes * 1_000_000_000))
            .boxed(),
        _ => (any::<u32>(), select(vec!["Ki", "Mi", "Gi", "Ti"]))
            .prop_map(|(number, unit)| format!("{number}{unit}").parse().unwrap())
            .boxed(),
    }
}

fn peripheral(generation: SpecVersion) -> impl Strategy<Value = Peripheral> {
    let mut types = PeripheralType::KNOWN.to_vec();
    types.push(PeripheralType::from("lidar"));
    let maker = match generation {
        SpecVersion::PreDraft => Just(None).boxed(),
        _ => of("[a-z]{1,5}").boxed(),
    };
    (select(types), maker, of("[A-Z0-9]{1,5}")).prop_map(|(kind, maker, model)| {
        let mut peripheral = Peripheral::new(kind);
        peripheral.manufacturer = maker;
        peripheral.model = model;
        peripheral
    })
}

fn interface() -> impl Strategy<Value = Interface> {
    (select(InterfaceType::KNOWN.to_vec()), of("[a-z]{1,5}")).prop_map(|(kind, name)| {
        let mut interface = Interface::new(kind);
        interface.extra.0 = name
            .map(|name| ("name".into(), name.into()))
            .into_iter()
            .collect();
        interface
    })
}

fn extensions() -> impl Strategy<Value = BTreeMap<String, Value>> {
    of(any::<i64>()).prop_map(|number| {
        let extension = |number| ("x-acme-extensions".to_owned(), json!({"site": number}));
        number.map(extension).into_iter().collect()
    })
}

pub(crate) fn status_of(generation: SpecVersion) -> impl Strategy<Value = DeploymentStatus> {
    let mut states = DeploymentState::KNOWN.to_vec();
    states.push(DeploymentState::from("paused"));
    if generation == SpecVersion::PreDraft {
        states.retain(|state| !matches!(state.as_str(), "removing" | "removed"));
    }
    let error = of(("[A-Z0-9]{0,4}", "[a-z]{0,4}", "[^\0]{0,10}"));
    let error = error.prop_map(|error| {
        error.map(|(code, source, message)| {
            let mut error = StatusError::new(code, source, message);
            error.extra.0.insert("attempt".into(), json!(3));
            error
        })
    });
    let component = ("[a-z0-9-]{1,8}", select(states), error.clone());
    let component = component.prop_map(|(name, state, error)| {
        let mut component = ComponentStatus::new(name.parse().unwrap(), state);
        component.error = error;
        component
    });
    let parts = (
        any::<[u8; 16]>(),
        of(1_u64..),
        of("[a-z]{1,4}(/[a-z]{1,4})?"),
        vec(component, 0..5),
        error,
    );
    parts.prop_map(|(id, version, device, components, error)| {
        let id = margo_types::id::DeploymentId::from_uuid_bytes(id);
        let mut report = DeploymentStatus::new(id, ManifestVersion::FIRST, components);
        report.adopted_manifest_version = version.and_then(ManifestVersion::new);
        report.device_id = device.map(|id| id.parse().unwrap());
        report.status.error = error;
        report.extra.0.insert("x-acme-extensions".into(), json!({}));
        report
    })
}

pub(crate) fn manifest_of(generation: SpecVersion) -> impl Strategy<Value = StateManifest> {
    let root = match generation {
        SpecVersion::Rc1 => "/api/v1/clients/cell-5",
        _ => "/api/v1",
    };
    let deployment = (any::<[u8; 16]>(), any::<[u8; 4]>(), any::<u64>());
    (1_u64.., vec(deployment, 1..4)).prop_map(move |(version, deployments)| {
        let deployments: Vec<_> = deployments
            .into_iter()
            .map(|(id, content, size)| {
                let id = margo_types::id::DeploymentId::from_uuid_bytes(id);
                let digest = Digest::of(&content);
                let url = format!("{root}/deployments/{id}/{digest}");
                DeploymentReference::new(id, digest, size, url)
            })
            .collect();
        let digest = Digest::of(b"bundle");
        let bundle = BundleReference::new(digest, 1, format!("{root}/bundles/{digest}"));
        StateManifest::new(
            ManifestVersion::new(version).unwrap(),
            Some(bundle),
            deployments,
        )
    })
}

pub(crate) fn onboarding() -> impl Strategy<Value = (OnboardingRequest, OnboardingResponse)> {
    (
        "[A-Za-z0-9+/]{0,40}={0,2}",
        "[A-Za-z0-9_~-]{1,40}",
        extensions(),
    )
        .prop_map(|(certificate, client, extensions)| {
            let mut request = OnboardingRequest::new(Certificate::from_text(certificate));
            request.extra.0.clone_from(&extensions);
            let mut response = OnboardingResponse::new(client.parse().unwrap());
            response.extra.0 = extensions;
            (request, response)
        })
}

pub(crate) fn problem() -> impl Strategy<Value = Problem> {
    let mut types = ProblemType::KNOWN.to_vec();
    types.push(ProblemType::from("https://vendor.example/problems/melted"));
    (select(types), 400_u16..600, of("[^\0]{0,20}"), extensions()).prop_map(
        |(problem_type, status, detail, extensions)| {
            let mut problem = Problem::from_error_body(status, None, b"");
            problem.problem_type = problem_type;
            problem.detail = detail;
            problem.extra.0 = extensions;
            problem
        },
    )
}
