use super::{super::component::ComponentParameter, *};

fn parse(text: &str) -> Result<SignatureParams, FieldError> {
    text.parse()
}

#[test]
fn every_parameter_is_read() {
    let text = r#"("@method" "a";sf "a";key="k" "a";bs "b";tr "@path";req "@query-param";name="Pet" "c";x=1;y);created=1;expires=2;keyid="k";alg="ed25519";nonce="n";tag="t";later=1.50;flag"#;
    let params = parse(text).unwrap();
    assert_eq!(params.created(), Some(1));
    assert_eq!(params.expires(), Some(2));
    assert_eq!(params.keyid(), Some("k"));
    assert_eq!(params.alg(), Some(&SignatureAlgorithm::Ed25519));
    assert_eq!(params.nonce(), Some("n"));
    assert_eq!(params.tag(), Some("t"));
    assert_eq!(
        params.unknown().collect::<Vec<_>>(),
        [("later", "1.5"), ("flag", "?1")]
    );
    assert_eq!(params.as_str(), text);

    let written: Vec<String> = params
        .components()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        written.join(" "),
        r#""@method" "a";sf "a";key="k" "a";bs "b";tr "@path";req "@query-param";name="Pet" "c";x=1;y"#
    );
    assert_eq!(
        params.components()[2].parameters(),
        [ComponentParameter::Key("k".to_owned())]
    );
}

#[test]
fn absent_parameters_stay_absent() {
    let params = parse("()").unwrap();
    assert!(params.components().is_empty());
    assert_eq!(params.created(), None);
    assert_eq!(params.expires(), None);
    assert_eq!(params.keyid(), None);
    assert_eq!(params.alg(), None);
    assert_eq!(params.nonce(), None);
    assert_eq!(params.tag(), None);
    assert_eq!(params.unknown().count(), 0);
}

#[test]
fn an_unknown_algorithm_is_kept() {
    let params = parse(r#"();alg="ml-dsa-65""#).unwrap();
    assert_eq!(params.alg().unwrap().as_str(), "ml-dsa-65");
}

#[test]
fn the_builder_writes_parameters_in_the_order_of_the_sandbox() {
    let params = SignatureParams::builder()
        .tag("t")
        .nonce("n")
        .alg(SignatureAlgorithm::EcdsaP256Sha256)
        .keyid(r#"a"b\c"#)
        .expires(1_735_689_900)
        .created(1_735_689_600)
        .cover("@method")
        .cover(CoveredComponent::query_param("Pet"))
        .build()
        .unwrap();
    assert_eq!(
        params.as_str(),
        r#"("@method" "@query-param";name="Pet");created=1735689600;expires=1735689900;keyid="a\"b\\c";alg="ecdsa-p256-sha256";nonce="n";tag="t""#
    );
}

#[test]
fn the_builder_refuses_what_a_reader_would_refuse() {
    let builder = SignatureParams::builder;
    assert!(builder().keyid("schlüssel").build().is_err());
    assert!(builder().keyid("line\nbreak").build().is_err());
    assert!(builder().nonce("tab\t\"").build().is_err());
    assert!(builder().cover("a\nb").build().is_err());
    assert!(builder().cover("a").cover("a").build().is_err());
    assert!(builder().created(u64::MAX).build().is_err());
    assert!(builder().tag("x".repeat(9000)).build().is_err());
}

#[test]
fn times_are_whole_seconds_in_range() {
    assert_eq!(
        parse("();created=253402300799").unwrap().created(),
        Some(253_402_300_799)
    );
    for wrong in [
        "-1",
        "253402300800",
        "999999999999999",
        "1.5",
        "1735689600.0",
        "\"1\"",
        "x",
        "?1",
        ":AA==:",
    ] {
        for name in ["created", "expires"] {
            assert_eq!(
                parse(&format!("();{name}={wrong}"))
                    .unwrap_err()
                    .to_string(),
                format!(
                    "Signature-Input has a wrong value for {name}; it must be whole seconds since 1970, up to the year 9999"
                ),
                "{wrong}"
            );
        }
    }
    assert!(parse("();created").is_err());
    assert!(parse("();created=1000000000000000").is_err());
}

#[test]
fn texts_are_quoted() {
    for name in ["keyid", "alg", "nonce", "tag"] {
        for wrong in ["token", "1", "?1", ":AA==:"] {
            assert!(
                parse(&format!("();{name}={wrong}")).is_err(),
                "{name}={wrong}"
            );
        }
    }
}

#[test]
fn a_component_covered_twice_is_refused() {
    for twice in [
        r#""@method" "@method""#,
        r#""content-digest" "Content-Digest""#,
        r#""a";sf;key="k" "a";key="k";sf"#,
    ] {
        assert!(
            matches!(
                parse(&format!("({twice})")),
                Err(FieldError::Duplicate { .. })
            ),
            "{twice}"
        );
    }
    assert!(parse(r#"("a" "a";sf "a";key="k" "a";key="l" "a";bs)"#).is_ok());
}

#[test]
fn components_are_quoted_and_their_parameters_typed() {
    for wrong in [
        "method",
        "1",
        r#""a";key=k"#,
        r#""a";key"#,
        r#""a";sf="x""#,
        r#""a";req=?0"#,
    ] {
        assert!(
            matches!(parse(&format!("({wrong})")), Err(FieldError::Value { .. })),
            "{wrong}"
        );
    }
}

#[test]
fn at_most_thirty_two_components_are_read() {
    let covering = |count: usize| {
        let names: Vec<String> = (0..count).map(|n| format!("\"h{n}\"")).collect();
        parse(&format!("({})", names.join(" ")))
    };
    assert!(covering(32).is_ok());
    assert!(matches!(
        covering(33),
        Err(FieldError::TooMany {
            what: "components",
            limit: 32,
            ..
        })
    ));
}

#[test]
fn text_around_the_list_is_refused() {
    for text in ["", " ()", "() ", "(), ()", "()\t", "1", "\"a\"", "() ;x"] {
        assert!(parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_capital_in_a_name_is_tolerated_and_reported() {
    let text =
        r#"("@method" "@target-uri" "Content-Digest");created=1735689600;keyid="my-rsa-key""#;
    let params = parse(text).unwrap();
    assert_eq!(
        params.nonconformant_component().unwrap().name(),
        "Content-Digest"
    );
    assert!(params.covers("content-digest"));
    assert_eq!(params.as_str(), text);

    let conformant = parse(r#"("@method" "content-digest")"#).unwrap();
    assert_eq!(conformant.nonconformant_component(), None);
}

#[test]
fn a_part_or_another_message_does_not_count_as_covered() {
    let params = parse(r#"("a";key="k" "@method";req)"#).unwrap();
    assert!(!params.covers("a"));
    assert!(!params.covers("@method"));
}
