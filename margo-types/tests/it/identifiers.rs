//! Identifiers, digests and the other texts and keys that documents are made of.

use margo_types::id::{
    ApplicationId, ClientId, ComponentName, DeploymentId, DeviceId, DeviceTarget, Principal,
    SpiffeId, TrustDomain,
};
use margo_types::problem::BackoffStrategy;
use margo_types::scalar::Repository;
use margo_types::{Digest, DocumentPath, ExtensionName, Extra, Segment};
use proptest::prelude::*;
use serde_json::json;

/// Texts a type takes and texts it refuses, and what holds for any text. The pattern agrees with the parser.
macro_rules! text_types {
    ($($name:ident $type:ty { accepts: $accepted:expr, refuses: $refused:expr })*) => {
        $(mod $name {
            use super::*;

            fn pattern_allows(text: &str) -> bool {
                let schema = json!({ "pattern": <$type>::PATTERN });
                jsonschema::is_valid(&schema, &json!(text))
            }

            #[test]
            fn takes() {
                for text in $accepted.into_iter().map(String::from).chain([<$type>::EXAMPLE.to_owned()]) {
                    let value = <$type>::parse(&text).unwrap_or_else(|fault| panic!("{fault}"));
                    assert_eq!(value.to_string(), text);
                    assert_eq!(text.parse::<$type>().as_ref(), Ok(&value));
                    assert_eq!(serde_json::to_value(&value).unwrap(), json!(text));
                    assert_eq!(serde_json::from_value::<$type>(json!(text)).unwrap(), value);
                    assert!(pattern_allows(&text), "{text:?} is against the pattern");
                }
            }

            #[test]
            fn refuses() {
                for text in $refused.into_iter().map(String::from) {
                    let fault = <$type>::parse(&text).expect_err(&text);
                    assert!(!fault.fix().is_empty() && !fault.why().is_empty(), "{text:?}");
                    assert!(fault.to_string().len() < 1000);
                    assert!(serde_json::from_value::<$type>(json!(text)).is_err(), "{text:?}");
                    // the pattern knows no longest length of whole texts
                    assert!(text.len() > 200 || !pattern_allows(&text), "{text:?} fits the pattern");
                }
            }

            proptest! {
                #[test]
                fn reads_any_text(text in "[a-zA-Z0-9./:_~*-]{0,12}|.{0,60}") {
                    if let Ok(value) = <$type>::parse(&text) {
                        prop_assert!(pattern_allows(&text));
                        prop_assert_eq!(<$type>::parse(&value.to_string()), Ok(value));
                    } else {
                        prop_assert!(!pattern_allows(&text));
                    }
                }
            }
        })*
    };
}

text_types! {
    application_id ApplicationId {
        accepts: ["a", "-", "0", "com-example-1", &"a".repeat(200)],
        refuses: ["", "A", "a_b", "a.b", "a b", "é", "a\n", &"a".repeat(201)]
    }
    component_name ComponentName {
        accepts: ["web", "web-2", &"a".repeat(253)],
        refuses: ["", "Web", "web_2", "web.2", "web/2", &"a".repeat(254)]
    }
    client_id ClientId {
        accepts: ["c", "...", "A.b_c~d-e", "client-9f-1700000000", &"a".repeat(255)],
        refuses: ["", ".", "..", "a/b", "a b", "a%20b", "a:b", "ä", &"a".repeat(256)]
    }
    device_id DeviceId {
        accepts: ["a", "A.b_c~d-e", "gw/child", "gw/site/child", "...", "a/...", ".a", &"a".repeat(1024)],
        refuses: [
            "", "/", "/a", "a/", "a//b", ".", "..", "./a", "a/.", "a/..", "a/../b", "a/./b", "*", "a/*", "a b",
            "a%2Fb", "a\\b", "ä", "a\n", &"a".repeat(1025),
        ]
    }
    device_target DeviceTarget {
        accepts: ["a", "gw/child", "gw/*", "gw/site/*"],
        refuses: ["", "*", "/*", "gw/*/child", "gw*", "gw/**", "*/gw", "gw/*/*", "gw/", "../*", "a/./*"]
    }
    trust_domain TrustDomain {
        accepts: ["factory.example", "a", "a_b-c.d", &"a".repeat(255)],
        refuses: ["", "Factory.example", "a/b", "a:1", "a b", "ä", &"a".repeat(256)]
    }
    spiffe_id SpiffeId {
        accepts: [
            "spiffe://td/margo/wfm/w", "spiffe://td/margo/wfm/w/client/C.1", "spiffe://td/other", "spiffe://td/a/.../b",
        ],
        refuses: [
            "", "spiffe://", "spiffe://td", "spiffe://td/", "spiffe:///a", "SPIFFE://td/a", "spiffe://TD/a",
            "https://td/a", "spiffe://td/a/", "spiffe://td//a", "spiffe://td/a/./b", "spiffe://td/a/../b",
            "spiffe://td/a%20b", "spiffe://td/a~b", "spiffe://td:8443/a", "spiffe://u@td/a", "spiffe://td/a?b",
            "spiffe://td/a#b", " spiffe://td/a", "spiffe://td/ä", &format!("spiffe://td/{}", "a".repeat(2040)),
        ]
    }
    digest Digest {
        accepts: [
            "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        ],
        refuses: [
            "", "sha256", "sha256:", "0123", "sha256:00", &format!("sha512:{}", "0".repeat(64)),
            &format!("SHA256:{}", "0".repeat(64)), &format!("sha256:{}", "A".repeat(64)),
            &format!("sha256:{}", "0".repeat(63)), &format!("sha256:{}", "0".repeat(65)),
            &format!("sha256:{}g", "0".repeat(63)), &format!(" sha256:{}", "0".repeat(64)),
            &format!("sha256:{}\n", "0".repeat(63)), &format!("sha256:{}", "é".repeat(32)),
        ]
    }
    extension_name ExtensionName {
        accepts: ["a", "acme", "acme-2-", "a0"],
        refuses: ["", "Acme", "2acme", "-acme", "acme_2", "acme.example", "ä"]
    }
}

#[test]
fn deployment_ids_are_read_in_either_case_and_written_in_lower_case() {
    let lower = "6d1f6c1e-3a52-4c52-8a3c-0f6a0f6a7b10";
    let id = DeploymentId::parse(&lower.to_uppercase()).unwrap();
    assert_eq!(id, DeploymentId::parse(lower).unwrap());
    assert_eq!(id.to_string(), lower);
    assert_eq!(DeploymentId::from_uuid_bytes(*id.as_uuid_bytes()), id);
    for text in [
        "",
        "6d1f6c1e3a524c528a3c0f6a0f6a7b10",
        "{6d1f6c1e-3a52-4c52-8a3c-0f6a0f6a7b10}",
        "urn:uuid:6d1f6c1e-3a52-4c52-8a3c-0f6a0f6a7b10",
        "6d1f6c1e-3a52-4c52-8a3c-0f6a0f6a7b1",
        "6d1f6c1e-3a52-4c52-8a3c-0f6a0f6a7b1g",
        "6d1f6c1e03a52-4c52-8a3c-0f6a0f6a7b10",
        "deployment-1",
    ] {
        assert!(DeploymentId::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn device_ids_know_their_hierarchy() {
    let child = DeviceId::parse("gw/site/pump").unwrap();
    let gateway = DeviceId::parse("gw").unwrap();
    assert_eq!(child.root(), gateway);
    assert_eq!(child.parent(), DeviceId::parse("gw/site").ok());
    assert_eq!(gateway.parent(), None);
    assert_eq!(child.segments().collect::<Vec<_>>(), ["gw", "site", "pump"]);
    assert!(child.is_child() && !gateway.is_child());
    assert!(child.is_behind(&gateway));
    assert!(!gateway.is_behind(&gateway));
    assert!(!DeviceId::parse("gw2/a").unwrap().is_behind(&gateway));
}

#[test]
fn targets_admit_the_devices_they_name() {
    let device = |text| DeviceId::parse(text).unwrap();
    let directed = DeviceTarget::parse("gw/pump").unwrap();
    assert!(directed.admits(&device("gw/pump")));
    assert!(!directed.admits(&device("gw")) && !directed.admits(&device("gw/pump/x")));
    let any = DeviceTarget::parse("gw/*").unwrap();
    assert!(any.admits(&device("gw/pump")) && any.admits(&device("gw/site/pump")));
    assert!(!any.admits(&device("gw")) && !any.admits(&device("gw2/pump")));
    assert_eq!(any.device_id(), &device("gw"));
    assert_eq!(DeviceTarget::from(device("gw")).to_string(), "gw");
}

fn spiffe(text: &str) -> SpiffeId {
    SpiffeId::parse(text).unwrap()
}

#[test]
fn only_the_two_shapes_of_margo_are_principals() {
    assert_eq!(
        spiffe("spiffe://td/margo/wfm/w").principal(),
        Some(Principal::Wfm {
            wfm_id: "w".to_owned()
        })
    );
    assert_eq!(
        spiffe("spiffe://td/margo/wfm/w/client/c").principal(),
        Some(Principal::WfmClient {
            wfm_id: "w".to_owned(),
            client_id: ClientId::parse("c").unwrap(),
        })
    );
    for other in [
        "spiffe://td/margo",
        "spiffe://td/margo/wfm",
        "spiffe://td/margo/wfm/w/client",
        "spiffe://td/margo/wfm/w/client/c/x",
        "spiffe://td/margo/wfm/w/Client/c",
        "spiffe://td/margo/wfm/w/device/c",
        "spiffe://td/margo/WFM/w",
        "spiffe://td/Margo/wfm/w",
        "spiffe://td/margo/mis/w",
        "spiffe://td/x/margo/wfm/w",
        "spiffe://td/wfm/w",
        "spiffe://td/margo-wfm/w",
    ] {
        assert_eq!(spiffe(other).principal(), None, "{other}");
        assert_eq!(spiffe(other).expected_wfm(), None, "{other}");
    }
}

#[test]
fn a_client_recognises_exactly_its_own_fleet_manager() {
    let client = spiffe("spiffe://td/margo/wfm/w/client/c");
    assert_eq!(
        client.expected_wfm(),
        Some(spiffe("spiffe://td/margo/wfm/w"))
    );
    assert!(client.recognises_wfm(&spiffe("spiffe://td/margo/wfm/w")));
    for peer in [
        "spiffe://td/margo/wfm/w/client/c",
        "spiffe://td/margo/wfm/w/client/other",
        "spiffe://td/margo/wfm/w/x",
        "spiffe://td/margo/wfm/W",
        "spiffe://td/margo/wfm/w2",
        "spiffe://td2/margo/wfm/w",
        "spiffe://td.example/margo/wfm/w",
        "spiffe://td/margo/wfm",
    ] {
        assert!(!client.recognises_wfm(&spiffe(peer)), "{peer}");
    }
    // a fleet manager is not a client and recognises no other
    let wfm = spiffe("spiffe://td/margo/wfm/w");
    assert!(!wfm.recognises_wfm(&wfm));
}

#[test]
fn a_fleet_manager_recognises_exactly_the_clients_of_its_namespace() {
    let wfm = spiffe("spiffe://td/margo/wfm/w");
    let client = |text: &str| wfm.recognise_client(&spiffe(text));
    assert_eq!(
        client("spiffe://td/margo/wfm/w/client/c"),
        ClientId::parse("c").ok()
    );
    assert_eq!(
        client("spiffe://td/margo/wfm/w/client/C"),
        ClientId::parse("C").ok()
    );
    for peer in [
        "spiffe://td/margo/wfm/w",
        "spiffe://td/margo/wfm/w/client",
        "spiffe://td/margo/wfm/w/client/c/x",
        "spiffe://td/margo/wfm/w/CLIENT/c",
        "spiffe://td/margo/wfm/W/client/c",
        "spiffe://td/margo/wfm/w2/client/c",
        "spiffe://td2/margo/wfm/w/client/c",
        "spiffe://td/wfm/w/client/c",
    ] {
        assert_eq!(client(peer), None, "{peer}");
    }
    let itself_a_client = spiffe("spiffe://td/margo/wfm/w/client/c");
    assert_eq!(itself_a_client.recognise_client(&itself_a_client), None);
}

#[test]
fn spiffe_ids_are_built_from_safe_segments_only() {
    let domain = TrustDomain::parse("td").unwrap();
    let client_id = ClientId::parse("line.4_a-b").unwrap();
    assert_eq!(
        SpiffeId::wfm_client(&domain, "w-1", &client_id)
            .unwrap()
            .as_str(),
        "spiffe://td/margo/wfm/w-1/client/line.4_a-b"
    );
    for wfm_id in ["", ".", "..", "a/b", "a/client/c", "a b", "a~b", "ä"] {
        assert!(SpiffeId::wfm(&domain, wfm_id).is_err(), "{wfm_id:?}");
        assert!(
            SpiffeId::wfm_client(&domain, wfm_id, &client_id).is_err(),
            "{wfm_id:?}"
        );
    }
    // legal in a path of the signed generation, not in a SPIFFE ID
    let tilde = ClientId::parse("a~b").unwrap();
    assert!(SpiffeId::wfm_client(&domain, "w", &tilde).is_err());
}

proptest! {
    #[test]
    fn what_is_built_is_recognised(
        domain in "[a-z0-9._-]{1,20}", wfm_id in "[A-Za-z0-9_-][A-Za-z0-9._-]{0,9}", client in "[A-Za-z0-9_-][A-Za-z0-9._-]{0,9}",
    ) {
        let domain = TrustDomain::parse(&domain).unwrap();
        let client_id = ClientId::parse(&client).unwrap();
        let wfm = SpiffeId::wfm(&domain, &wfm_id).unwrap();
        let id = SpiffeId::wfm_client(&domain, &wfm_id, &client_id).unwrap();
        prop_assert_eq!(id.trust_domain(), domain);
        prop_assert!(id.recognises_wfm(&wfm));
        prop_assert_eq!(wfm.recognise_client(&id), Some(client_id));
        prop_assert_eq!(format!("spiffe://{}{}", id.trust_domain(), id.path()), id.as_str());
    }
}

#[test]
fn digests_cover_exact_bytes() {
    // RFC 6234 and FIPS 180-2: the empty text and "abc"
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(Digest::of(b"").to_string(), format!("sha256:{empty}"));
    assert_eq!(Digest::of(b"abc").to_hex(), abc);
    assert_eq!(Digest::of(b"abc").to_etag(), format!("\"sha256:{abc}\""));
    assert_ne!(Digest::of(b"abc\n"), Digest::of(b"abc\r\n"));
    let digest = Digest::of(b"abc");
    assert_eq!(Digest::from_bytes(*digest.as_bytes()), digest);
}

#[test]
fn repositories_are_read_leniently_and_judged_strictly() {
    let judge = |text| Repository::parse(text).map(|repository| repository.is_conformant());
    assert_eq!(judge("oci://registry.example:5000/charts/web"), Ok(true));
    assert_eq!(judge("https://charts.example/stable"), Ok(false));
    assert_eq!(judge("OCI://registry.example/web"), Ok(false));
    let long = format!("oci://{}", "a".repeat(2048));
    for text in [
        "",
        "oci",
        "oci://",
        "://a",
        "registry.example/web",
        "oci://a b",
        "oci://a\n",
        &long,
    ] {
        assert!(judge(text).is_err(), "{text:?}");
    }
    let repository = Repository::parse("oci://registry.example/web").unwrap();
    assert_eq!(repository.oci_name(), Some("registry.example/web"));
}

#[test]
fn extensions_are_told_from_unknown_members() {
    let members = json!({
        "x-acme-extensions": { "colour": "red" },
        "x-flat-extensions": "text",
        "x-Acme-extensions": {},
        "x--extensions": {},
        "x-extensions": {},
        "y": 1,
    });
    let mut extra: Extra = serde_json::from_value(members.clone()).unwrap();
    assert_eq!(serde_json::to_value(&extra).unwrap(), members);

    let acme = ExtensionName::parse("acme").unwrap();
    assert_eq!(extra.extension(&acme).unwrap()["colour"], "red");
    assert_eq!(
        extra.extension(&ExtensionName::parse("flat").unwrap()),
        None
    );
    let names: Vec<_> = extra
        .extensions()
        .map(|(name, _)| name.to_string())
        .collect();
    assert_eq!(names, ["acme", "flat"]);
    let unknown: Vec<_> = extra.unknown().map(|(key, _)| key).collect();
    assert_eq!(
        unknown,
        ["x--extensions", "x-Acme-extensions", "x-extensions", "y"]
    );
    assert_eq!(extra.extensions_only().unknown().count(), 0);
    assert_eq!(extra.extensions_only().extensions().count(), 2);

    let replaced = extra.set_extension(&acme, serde_json::Map::new());
    assert_eq!(replaced, Some(json!({ "colour": "red" })));
    assert!(!extra.is_empty() && Extra::default().is_empty());
}

#[test]
fn open_enumerations_keep_what_they_do_not_know() {
    for (text, known) in [
        ("fixed", true),
        ("Fixed", false),
        ("fibonacci", false),
        ("", false),
    ] {
        let value: BackoffStrategy = serde_json::from_value(json!(text)).unwrap();
        assert_eq!((value.as_str(), value.is_known()), (text, known));
        assert_eq!(serde_json::to_value(&value).unwrap(), json!(text));
        assert_eq!(value, BackoffStrategy::from(text));
    }
    assert!(serde_json::from_value::<BackoffStrategy>(json!(1)).is_err());
    let known: Vec<_> = BackoffStrategy::KNOWN
        .iter()
        .map(BackoffStrategy::as_str)
        .collect();
    assert_eq!(known, ["none", "fixed", "exponential"]);
}

#[test]
fn places_are_written_for_people_and_as_json_pointers() {
    let root = DocumentPath::root();
    assert_eq!(
        (root.to_string(), root.to_json_pointer()),
        ("document".to_owned(), String::new())
    );
    assert_eq!(root.parent(), None);
    let targets = root.key("spec").key("targets");
    let place = targets.index(0).key("a/b~c").key("name");
    assert_eq!(place.to_string(), r#"spec.targets[0]["a/b~c"].name"#);
    assert_eq!(place.to_json_pointer(), "/spec/targets/0/a~1b~0c/name");
    assert_eq!(place.segments().get(2), Some(&Segment::Index(0)));
    assert_eq!(targets.parent(), Some(root.key("spec")));
    assert!(root.is_root() && !place.is_root());
    assert!(root.key("k".repeat(10_000)).to_string().len() < 300);
}

proptest! {
    #[test]
    fn json_pointers_find_the_place(keys in prop::collection::vec(".{0,6}", 1..5)) {
        let place = DocumentPath::from(keys.iter().cloned().map(Segment::Key).collect::<Vec<_>>());
        let mut document = json!("here");
        for key in keys.iter().rev() {
            document = json!({ (key.as_str()): document });
        }
        prop_assert_eq!(document.pointer(&place.to_json_pointer()), Some(&json!("here")));
    }
}
