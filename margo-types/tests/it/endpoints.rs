//! The endpoint table: from ids to paths, and from request lines to ids.

use std::collections::BTreeSet;

use margo_types::SpecVersion::{PreDraft, Rc1, Rc3};
use margo_types::endpoint::{
    Endpoint, Form, Matched, Method, NoMatch, Operation, Parameter, PathCaller, PathError, Route,
    match_path,
};
use margo_types::id::{ClientId, DeploymentId, DeviceId};
use margo_types::{Digest, SpecVersion};
use proptest::prelude::*;

const DEPLOYMENT: &str = "6d1f6c1e-3a52-4c52-8a3c-0f6a0f6a7b10";

fn matched(method: &str, path: &str) -> Result<Matched, NoMatch> {
    match_path(&SpecVersion::ALL, method, path)
}

fn unnamed() -> PathCaller {
    PathCaller::Unnamed
}

fn client(id: &str) -> PathCaller {
    PathCaller::Client(ClientId::parse(id).unwrap())
}

fn device(id: &str) -> DeviceId {
    DeviceId::parse(id).unwrap()
}

fn deployment() -> DeploymentId {
    DeploymentId::parse(DEPLOYMENT).unwrap()
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn request_lines_of_every_generation_are_understood() {
    let digest = Digest::of(b"content");
    let deployment_id = deployment();
    let pump = || PathCaller::Device(device("pump-7"));
    let report = |device_id: Option<&str>| Route::ReportCapabilities {
        device_id: device_id.map(device),
    };
    let document = Route::Deployment {
        deployment_id,
        digest,
    };
    let status = Route::ReportStatus { deployment_id };
    let bundle = Route::Bundle { digest };
    let gone = Route::RemoveDevice {
        device_id: device("gw/cell-1/pump"),
    };
    let c9 = || client("c.9");
    for (generation, method, path, caller, route) in [
        (
            Rc3,
            "GET",
            "/api/v1/deployments".to_owned(),
            unnamed(),
            Route::Manifest,
        ),
        (
            Rc3,
            "HEAD",
            "/api/v1/deployments".to_owned(),
            unnamed(),
            Route::Manifest,
        ),
        (
            Rc3,
            "GET",
            format!("/api/v1/deployments/{DEPLOYMENT}/{digest}"),
            unnamed(),
            document.clone(),
        ),
        (
            Rc3,
            "GET",
            format!("/api/v1/bundles/{digest}"),
            unnamed(),
            bundle.clone(),
        ),
        (
            Rc3,
            "POST",
            format!("/api/v1/deployments/{DEPLOYMENT}/status"),
            unnamed(),
            status.clone(),
        ),
        (
            Rc3,
            "PUT",
            "/api/v1/capabilities/pump-7".to_owned(),
            unnamed(),
            report(Some("pump-7")),
        ),
        (
            Rc3,
            "PUT",
            "/api/v1/capabilities/gw/cell-1/pump".to_owned(),
            unnamed(),
            report(Some("gw/cell-1/pump")),
        ),
        (
            Rc3,
            "DELETE",
            "/api/v1/capabilities/gw/cell-1/pump".to_owned(),
            unnamed(),
            gone.clone(),
        ),
        (
            Rc3,
            "GET",
            "/.well-known/margo".to_owned(),
            unnamed(),
            Route::Discovery,
        ),
        (
            Rc3,
            "GET",
            "/.well-known/spiffe/bundle.json".to_owned(),
            unnamed(),
            Route::TrustBundle,
        ),
        (
            Rc1,
            "GET",
            "/api/v1/onboarding/certificate".to_owned(),
            unnamed(),
            Route::RootCertificate,
        ),
        (
            Rc1,
            "POST",
            "/api/v1/onboarding".to_owned(),
            unnamed(),
            Route::Onboard,
        ),
        (
            Rc1,
            "POST",
            "/api/v1/clients/c.9/capabilities".to_owned(),
            c9(),
            report(None),
        ),
        (
            Rc1,
            "PUT",
            "/api/v1/clients/c.9/capabilities".to_owned(),
            c9(),
            report(None),
        ),
        (
            Rc1,
            "PUT",
            "/api/v1/clients/c.9/capabilities/gw/pump".to_owned(),
            c9(),
            report(Some("gw/pump")),
        ),
        (
            Rc1,
            "POST",
            "/api/v1/clients/c.9/capabilities/gw/pump".to_owned(),
            c9(),
            report(Some("gw/pump")),
        ),
        (
            Rc1,
            "DELETE",
            "/api/v1/clients/c.9/capabilities/gw/cell-1/pump".to_owned(),
            c9(),
            gone,
        ),
        (
            Rc1,
            "GET",
            "/api/v1/clients/c.9/deployments".to_owned(),
            c9(),
            Route::Manifest,
        ),
        (
            Rc1,
            "GET",
            format!("/api/v1/clients/c.9/deployments/{DEPLOYMENT}/{digest}"),
            c9(),
            document,
        ),
        (
            Rc1,
            "GET",
            format!("/api/v1/clients/c.9/bundles/{digest}"),
            c9(),
            bundle,
        ),
        (
            Rc1,
            "POST",
            format!("/api/v1/clients/c.9/deployments/{DEPLOYMENT}/status"),
            c9(),
            status.clone(),
        ),
        (
            Rc1,
            "POST",
            format!("/api/v1/clients/c.9/deployment/{DEPLOYMENT}/status"),
            c9(),
            status.clone(),
        ),
        (
            PreDraft,
            "GET",
            "/onboarding/certificate".to_owned(),
            unnamed(),
            Route::RootCertificate,
        ),
        (
            PreDraft,
            "POST",
            "/onboarding/".to_owned(),
            unnamed(),
            Route::Onboard,
        ),
        (
            PreDraft,
            "POST",
            "/onboarding".to_owned(),
            unnamed(),
            Route::Onboard,
        ),
        (
            PreDraft,
            "PUT",
            "/device/pump-7/capabilities".to_owned(),
            pump(),
            report(None),
        ),
        (
            PreDraft,
            "POST",
            "/device/pump-7/capabilities".to_owned(),
            pump(),
            report(None),
        ),
        (
            PreDraft,
            "POST",
            format!("/device/pump-7/deployment/{DEPLOYMENT}/status"),
            pump(),
            status.clone(),
        ),
        (
            PreDraft,
            "POST",
            format!("/api/v1/device/pump-7/deployment/{DEPLOYMENT}/status"),
            pump(),
            status,
        ),
    ] {
        let found =
            matched(method, &path).unwrap_or_else(|fault| panic!("{method} {path}: {fault}"));
        assert_eq!(found.endpoint.generation, generation, "{method} {path}");
        assert_eq!(
            (found.caller, found.route),
            (caller, route),
            "{method} {path}"
        );
        let others: Vec<_> = SpecVersion::ALL
            .into_iter()
            .filter(|g| *g != generation)
            .collect();
        assert!(
            matches!(
                match_path(&others, method, &path),
                Err(NoMatch::UnknownPath { .. })
            ),
            "{method} {path} means something in another generation"
        );
    }
}

/// rc3.md ambiguity 33, and ambiguity 42 of the notes on the signed generation.
#[test]
fn percent_encoded_ids_are_the_same_ids() {
    let encoded = matched("PUT", "/api/v1/capabilities/gw%2Fcell-1%2fpump").unwrap();
    let raw = matched("PUT", "/api/v1/capabilities/gw/cell-1/pump").unwrap();
    assert_eq!(encoded, raw);
    assert_eq!(
        encoded.path().unwrap(),
        "/api/v1/capabilities/gw/cell-1/pump"
    );

    let digest = Digest::of(b"content").to_string();
    let encoded = matched(
        "GET",
        &format!("/api/v1/bundles/{}", digest.replace(':', "%3A")),
    );
    assert_eq!(
        encoded,
        matched("GET", &format!("/api/v1/bundles/{digest}"))
    );
    assert!(encoded.is_ok());
}

#[test]
fn malformed_ids_name_the_parameter() {
    for (method, path, expected) in [
        ("PUT", "/api/v1/capabilities/", Parameter::DeviceId),
        ("PUT", "/api/v1/capabilities/a//b", Parameter::DeviceId),
        ("PUT", "/api/v1/capabilities/a/", Parameter::DeviceId),
        ("PUT", "/api/v1/capabilities/a/..", Parameter::DeviceId),
        ("PUT", "/api/v1/capabilities/%2E%2E", Parameter::DeviceId),
        ("PUT", "/api/v1/capabilities/a%252Fb", Parameter::DeviceId),
        ("PUT", "/api/v1/capabilities/a%", Parameter::DeviceId),
        ("PUT", "/api/v1/capabilities/a%2", Parameter::DeviceId),
        ("PUT", "/api/v1/capabilities/a%zz", Parameter::DeviceId),
        ("PUT", "/api/v1/capabilities/a%+1", Parameter::DeviceId),
        ("PUT", "/api/v1/capabilities/%FF", Parameter::DeviceId),
        ("PUT", "/api/v1/capabilities/a?b", Parameter::DeviceId),
        ("PUT", "/api/v1/capabilities/é", Parameter::DeviceId),
        ("GET", "/api/v1/bundles/sha256:00", Parameter::Digest),
        ("GET", "/api/v1/bundles/", Parameter::Digest),
        (
            "POST",
            "/api/v1/deployments/7/status",
            Parameter::DeploymentId,
        ),
        (
            "GET",
            "/api/v1/clients/a%20b/deployments",
            Parameter::ClientId,
        ),
        ("GET", "/api/v1/clients/../deployments", Parameter::ClientId),
        (
            "GET",
            "/api/v1/clients/a%2Fb/deployments",
            Parameter::ClientId,
        ),
    ] {
        match matched(method, path) {
            Err(NoMatch::MalformedId { parameter, .. }) => {
                assert_eq!(parameter, expected, "{path}");
            }
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[test]
fn unknown_paths_and_methods_are_told_apart() {
    for path in [
        "",
        "/",
        "api/v1/deployments",
        "/api/v1/deployments/",
        "/api/v1/Deployments",
        "/api/v1/%64eployments",
        "/api/v1/deployments?x=1",
        "/api/v1/deployments/a/b/c",
        "/api/v1/client/c/deployments",
        "/device/a/other",
        "//api/v1/deployments",
    ] {
        let fault = matched("GET", path).unwrap_err();
        assert!(
            matches!(fault, NoMatch::UnknownPath { .. }),
            "{path}: {fault:?}"
        );
    }
    let fault = matched("PATCH", "/api/v1/capabilities/a").unwrap_err();
    let NoMatch::MethodNotAllowed { allowed, .. } = &fault else {
        panic!("{fault:?}");
    };
    assert_eq!(allowed, &[Method::Put, Method::Delete]);
    // rc.3 has no POST of capabilities
    assert!(matches!(
        matched("POST", "/api/v1/capabilities/a"),
        Err(NoMatch::MethodNotAllowed { .. })
    ));
    let long = format!("/api/v1/capabilities/{}", "a/".repeat(1 << 20));
    let fault = matched("PUT", &long).unwrap_err();
    assert!(fault.to_string().len() < 300);
}

#[test]
fn clients_use_one_form_of_each_operation() {
    let report = |device_id: Option<&str>| Route::ReportCapabilities {
        device_id: device_id.map(device),
    };
    let c1 = client("c1");
    for (generation, caller, route, method, path) in [
        (
            Rc3,
            unnamed(),
            report(Some("gw/a")),
            Method::Put,
            "/api/v1/capabilities/gw/a",
        ),
        (
            Rc1,
            c1.clone(),
            report(None),
            Method::Put,
            "/api/v1/clients/c1/capabilities",
        ),
        (
            Rc1,
            c1,
            report(Some("gw/a")),
            Method::Put,
            "/api/v1/clients/c1/capabilities/gw/a",
        ),
        (
            PreDraft,
            PathCaller::Device(device("d")),
            report(None),
            Method::Put,
            "/device/d/capabilities",
        ),
        (
            PreDraft,
            unnamed(),
            Route::Onboard,
            Method::Post,
            "/onboarding/",
        ),
    ] {
        assert_eq!(route.path(generation, &caller).as_deref(), Ok(path));
        assert_eq!(route.endpoint(generation).unwrap().method, method);
    }
}

#[test]
fn paths_without_their_ids_are_refused() {
    let missing = |route: Route, generation, caller| match route.path(generation, &caller) {
        Err(PathError::Missing { parameter, .. }) => parameter,
        other => panic!("{other:?}"),
    };
    let report = Route::ReportCapabilities { device_id: None };
    assert_eq!(missing(report, Rc3, unnamed()), Parameter::DeviceId);
    assert_eq!(
        missing(Route::Manifest, Rc1, unnamed()),
        Parameter::ClientId
    );
    assert!(matches!(
        Route::Manifest.path(PreDraft, &unnamed()),
        Err(PathError::NotInGeneration {
            operation: Operation::Manifest,
            generation: PreDraft
        })
    ));
    assert!(matches!(
        Route::Discovery.path(Rc1, &unnamed()),
        Err(PathError::NotInGeneration { .. })
    ));
}

#[test]
fn the_table_agrees_with_the_rules_of_its_generation() {
    for endpoint in Endpoint::ALL {
        let rules = endpoint.generation.rules();
        assert_eq!(
            endpoint.cache_control(),
            match endpoint.operation {
                Operation::Manifest => rules.manifest_cache_control,
                Operation::Deployment | Operation::Bundle => rules.immutable_cache_control,
                _ => None,
            },
            "{endpoint}"
        );
        let expected = match endpoint.operation {
            Operation::ReportCapabilities => {
                [rules.capabilities_created, rules.capabilities_updated]
            }
            Operation::ReportStatus => [rules.status_created, rules.status_updated],
            _ => continue,
        };
        for status in expected {
            assert!(endpoint.success.contains(&status), "{endpoint}: {status}");
        }
    }
    for generation in SpecVersion::ALL {
        let rules = generation.rules();
        let posts = Endpoint::of(generation).any(|endpoint| {
            endpoint.operation == Operation::ReportCapabilities && endpoint.method == Method::Post
        });
        assert_eq!(posts, rules.capabilities_by_post, "{generation}");
        let removes = Endpoint::find(generation, Operation::RemoveDevice).is_some();
        assert_eq!(removes, rules.capabilities_removal, "{generation}");
        let discovers = Endpoint::find(generation, Operation::Discovery).is_some();
        assert_eq!(discovers, rules.trust_bundle, "{generation}");
    }
}

#[test]
fn listed_errors_are_registered_with_their_status() {
    let mut seen = BTreeSet::new();
    for endpoint in Endpoint::ALL {
        for (listed, problem_type) in endpoint.errors.iter().zip(endpoint.problem_types()) {
            assert_eq!(
                problem_type.registered_status(),
                Some(listed.status),
                "{problem_type}"
            );
            seen.insert(problem_type);
        }
        assert!(endpoint.form == Form::Used || endpoint.generation != Rc3);
    }
    assert_eq!(seen.len(), 10 + 10, "a registered type is listed nowhere");
}

fn device_ids() -> impl Strategy<Value = DeviceId> {
    "[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,8}(/[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,8}){0,3}"
        .prop_map(|text| DeviceId::parse(&text).unwrap())
}

fn deployment_ids() -> impl Strategy<Value = DeploymentId> {
    any::<[u8; 16]>().prop_map(DeploymentId::from_uuid_bytes)
}

fn digests() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest::from_bytes)
}

fn routes() -> impl Strategy<Value = Route> {
    prop_oneof![
        Just(Route::RootCertificate),
        Just(Route::Onboard),
        proptest::option::of(device_ids())
            .prop_map(|device_id| Route::ReportCapabilities { device_id }),
        device_ids().prop_map(|device_id| Route::RemoveDevice { device_id }),
        Just(Route::Manifest),
        (deployment_ids(), digests()).prop_map(|(deployment_id, digest)| Route::Deployment {
            deployment_id,
            digest
        }),
        digests().prop_map(|digest| Route::Bundle { digest }),
        deployment_ids().prop_map(|deployment_id| Route::ReportStatus { deployment_id }),
        Just(Route::Discovery),
        Just(Route::TrustBundle),
    ]
}

fn callers() -> impl Strategy<Value = PathCaller> {
    prop_oneof![
        Just(PathCaller::Unnamed),
        "[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,20}".prop_map(|id| client(&id)),
        device_ids().prop_map(PathCaller::Device),
    ]
}

proptest! {
    #[test]
    fn what_is_expanded_is_matched(route in routes(), caller in callers(), index in 0_usize..3) {
        let generation = SpecVersion::ALL[index];
        let Ok(endpoint) = route.endpoint(generation) else { return Ok(()) };
        let Ok(path) = route.path(generation, &caller) else { return Ok(()) };
        let found = matched(endpoint.method.as_str(), &path).unwrap();
        prop_assert_eq!(found.endpoint, endpoint);
        prop_assert_eq!(found.path().unwrap(), path);
        prop_assert_eq!(found.route.operation(), route.operation());
        if generation == PreDraft {
            // what is reported about is the caller
            prop_assert!(matches!(&found.caller, PathCaller::Unnamed | PathCaller::Device(_)));
        } else {
            prop_assert_eq!(found.route, route);
        }
    }

    #[test]
    fn any_request_line_is_answered(method in "[A-Z]{0,6}|GET|PUT|POST|DELETE", path in ".{0,200}") {
        let _ = matched(&method, &path);
    }

    #[test]
    fn request_lines_that_look_right_are_answered(
        method in "GET|PUT|POST|DELETE",
        path in "/(api/v1|device|onboarding)(/(clients|deployments|deployment|bundles|capabilities|status|device|[a-f0-9:%/.-]{0,40})){0,5}",
    ) {
        if let Ok(found) = matched(&method, &path) {
            let again = matched(&method, &found.path().unwrap()).unwrap();
            prop_assert_eq!(again, found);
        }
    }
}
