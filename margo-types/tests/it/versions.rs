//! Generations and the switches between them.

use margo_types::{
    CallerIdentity, DesiredState, DevicePath, Enrolment, ErrorBodyStyle, PayloadSignature,
    SpecVersion, StateSpelling, TlsVersion,
};

#[test]
fn usual_spellings_are_read() {
    for (text, expected) in [
        ("rc.3", SpecVersion::Rc3),
        ("rc3", SpecVersion::Rc3),
        ("RC-3", SpecVersion::Rc3),
        ("rc.2", SpecVersion::Rc3),
        ("1.0.0-rc.2", SpecVersion::Rc3),
        ("v1.0.0-rc.3", SpecVersion::Rc3),
        ("pr2", SpecVersion::Rc3),
        ("rc.1", SpecVersion::Rc1),
        ("1.0.0-rc.1", SpecVersion::Rc1),
        ("pr1", SpecVersion::Rc1),
        ("PR1", SpecVersion::Rc1),
        ("preview-1", SpecVersion::Rc1),
        ("pre-draft", SpecVersion::PreDraft),
        ("Pre Draft", SpecVersion::PreDraft),
        ("predraft", SpecVersion::PreDraft),
    ] {
        assert_eq!(text.parse(), Ok(expected), "{text}");
    }
}

#[test]
fn other_names_are_refused_with_advice() {
    for text in [
        "",
        "rc",
        "rc.4",
        "1.0.0",
        "v",
        "2.0.0-rc.1",
        "draft",
        &"x".repeat(9999),
    ] {
        let fault = text.parse::<SpecVersion>().unwrap_err();
        assert_eq!(fault.fix(), "write pre-draft, rc.1 or rc.3");
        assert!(fault.to_string().len() < 300);
    }
}

#[test]
fn configuration_uses_the_short_name() {
    for version in SpecVersion::ALL {
        let json = serde_json::to_string(&version).unwrap();
        assert_eq!(json, format!("\"{version}\""));
        assert_eq!(serde_json::from_str::<SpecVersion>(&json).unwrap(), version);
        assert_eq!(version.as_str().parse(), Ok(version));
    }
    assert!(serde_json::from_str::<SpecVersion>("\"rc.9\"").is_err());
}

/// Part IV of the notes on the older generations, row by row.
#[test]
fn generations_differ_as_the_specification_says() {
    let [pre_draft, rc1, rc3] = SpecVersion::ALL.map(SpecVersion::rules);

    assert_eq!(rc3.caller, CallerIdentity::SpiffeId);
    assert_eq!(rc1.caller, CallerIdentity::SignedRequest);
    assert_eq!(pre_draft.caller, CallerIdentity::BearerToken);

    assert_eq!(rc3.enrolment, Enrolment::OperatorProvisioned);
    assert_eq!(rc1.enrolment, Enrolment::CertificateRegistration);
    assert_eq!(pre_draft.enrolment, Enrolment::IssuedCredentials);

    assert_eq!(rc3.payload_signature, PayloadSignature::None);
    assert_eq!(
        rc1.payload_signature,
        PayloadSignature::HttpMessageSignatures
    );
    assert_eq!(
        pre_draft.payload_signature,
        PayloadSignature::PayloadSignatureHeader
    );

    assert_eq!(
        [pre_draft.mutual_tls, rc1.mutual_tls, rc3.mutual_tls],
        [false, false, true]
    );
    assert_eq!(rc3.tls_default_minimum, TlsVersion::Tls13);
    assert_eq!(rc3.tls_lowest_allowed, TlsVersion::Tls12);

    assert_eq!(rc1.desired_state, DesiredState::ManifestApi);
    assert_eq!(pre_draft.desired_state, DesiredState::GitRepository);
    assert_eq!(
        rc3.immutable_cache_control,
        Some("private, max-age=31536000, immutable")
    );
    assert_eq!(
        rc1.immutable_cache_control,
        Some("public, max-age=31536000, immutable")
    );
    assert_eq!(pre_draft.immutable_cache_control, None);

    assert_eq!(
        [pre_draft, rc1, rc3].map(|rules| rules.capabilities_by_post),
        [true, true, false]
    );
    assert_eq!(
        [pre_draft, rc1, rc3].map(|rules| rules.capabilities_removal),
        [false, true, true]
    );
    assert_eq!(rc1.device_in_capabilities_path, DevicePath::Optional);
    assert_eq!(rc3.device_in_capabilities_path, DevicePath::Required);
    assert_eq!(
        (rc3.capabilities_created, rc3.capabilities_updated),
        (201, 200)
    );
    assert_eq!(
        (rc1.capabilities_created, rc1.capabilities_updated),
        (201, 201)
    );
    assert_eq!((rc3.status_created, rc3.status_updated), (201, 200));
    assert_eq!((rc1.status_created, rc1.status_updated), (200, 200));
    assert_eq!(
        [pre_draft, rc1, rc3].map(|rules| rules.status_adopted_version),
        [false, false, true]
    );
    assert_eq!(
        [pre_draft, rc1, rc3].map(|rules| rules.gateways),
        [false, true, true]
    );
    assert_eq!(pre_draft.state_spelling, StateSpelling::TitleCase);
    assert_eq!(rc1.state_spelling, StateSpelling::LowerCase);

    assert_eq!(rc3.error_bodies, [ErrorBodyStyle::Problem]);
    assert!(rc1.error_bodies.contains(&ErrorBodyStyle::ErrorMember));
    assert_eq!(
        [pre_draft, rc1, rc3].map(|rules| rules.problem_type_base),
        [
            None,
            Some("https://docs.margo.org/specification/problems/"),
            Some("https://docs.margo.org/specification/problem-types#"),
        ]
    );
    assert_eq!(
        [pre_draft, rc1, rc3].map(|rules| rules.unauthenticated),
        [Some(401), Some(401), None]
    );
    assert_eq!(
        [pre_draft, rc1, rc3].map(|rules| rules.trust_bundle),
        [false, false, true]
    );
}
