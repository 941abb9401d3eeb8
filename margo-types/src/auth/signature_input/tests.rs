use proptest::prelude::*;

use super::*;

const TWO_LABELS: &str = r#"sig1=("@method" "@target-uri");created=1735689600;keyid="c-01", proxy=("@authority";note="a, b" "via");created=1735689601;keyid="p\"x,y\\""#;

#[test]
fn two_labels_are_told_apart() {
    let input = SignatureInput::parse(TWO_LABELS).unwrap();
    assert_eq!(input.get("sig1").unwrap().keyid(), Some("c-01"));
    assert_eq!(input.get("proxy").unwrap().keyid(), Some(r#"p"x,y\"#));
    let labels: Vec<&str> = input.iter().map(|(label, _)| label).collect();
    assert_eq!(labels, ["sig1", "proxy"]);
    assert_eq!(input.to_string(), TWO_LABELS);
}

#[test]
fn an_unknown_label_is_not_found() {
    let input = SignatureInput::parse(TWO_LABELS).unwrap();
    for label in ["sig", "SIG1", "sig1 ", ""] {
        assert!(input.get(label).is_none(), "{label}");
    }
}

#[test]
fn received_text_is_kept_byte_for_byte() {
    let text = r#"(  "@method"   "@path";req );  created=1735689600;x=1.50;  y;keyid="c-01""#;
    let input = SignatureInput::parse(format!("\ta=(),\t  sig1={text} \t")).unwrap();
    assert_eq!(input.get("sig1").unwrap().as_str(), text);
}

#[test]
fn a_label_used_twice_is_refused() {
    assert_eq!(
        SignatureInput::parse(r#"sig1=("@method"),sig1=()"#),
        Err(FieldError::Duplicate {
            field: "Signature-Input",
            member: "sig1".to_owned()
        })
    );
}

#[test]
fn malformed_headers_are_refused() {
    for header in [
        "",
        ",",
        "sig1",
        "sig1=",
        "sig1;x=()",
        "sig1 =()",
        "sig1= ()",
        "Sig1=()",
        "sig1=(),",
        "sig1=() ()",
        "sig1=()x",
        "sig1=(\"@method\"",
        "sig1=(\"@method)",
        "sig1=(\"@method\"\"@path\")",
        "sig1=(\"@method\",\"@path\")",
        "sig1=\"@method\"",
        "sig1=();created=@1735689600",
        "sig1=();tag=%\"x\"",
        "sig1=()\n",
    ] {
        assert!(
            matches!(
                SignatureInput::parse(header),
                Err(FieldError::Syntax { .. })
            ),
            "{header}"
        );
    }
}

#[test]
fn text_outside_ascii_is_refused() {
    assert!(SignatureInput::parse(r#"sig1=("@method");keyid="schlüssel""#).is_err());
    assert!(SignatureInput::parse(b"sig1=(\"@method\");keyid=\"\xff\"").is_err());
}

#[test]
fn sizes_are_bounded() {
    let label = |n: usize| format!("sig{n}=()");
    let labels = |count| (0..count).map(label).collect::<Vec<_>>().join(", ");
    assert!(SignatureInput::parse(labels(8)).is_ok());
    assert!(matches!(
        SignatureInput::parse(labels(9)),
        Err(FieldError::TooMany {
            what: "members",
            limit: 8,
            ..
        })
    ));

    let megabyte = format!("sig1=({})", r#""a" "#.repeat(1 << 18));
    assert!(matches!(
        SignatureInput::parse(megabyte),
        Err(FieldError::TooLong { limit: 8192, .. })
    ));
}

#[test]
fn limits_can_be_changed() {
    let one_label = FieldLimits {
        members: 1,
        ..FieldLimits::default()
    };
    assert!(SignatureInput::parse_within(&one_label, TWO_LABELS).is_err());

    let one_component = FieldLimits {
        components: 1,
        ..FieldLimits::default()
    };
    assert_eq!(
        SignatureInput::parse_within(&one_component, TWO_LABELS)
            .unwrap_err()
            .to_string(),
        "Signature-Input has more than 1 components; send fewer or raise the limit"
    );
}

#[test]
fn a_label_that_cannot_be_written_is_refused() {
    let params: SignatureParams = "()".parse().unwrap();
    for label in ["", "Sig", "a b", "a=b", "a,b", "1a", "ä"] {
        assert!(
            SignatureInput::new(label, params.clone()).is_err(),
            "{label}"
        );
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(
        label in "[a-z*][a-z0-9_.*-]{0,20}",
        components in prop::collection::hash_set("[@a-z-]{1,12}", 0..20),
        created in 0..=253_402_300_799_u64,
        keyid in "[ -~]{0,40}",
        nonce in prop::option::of("[ -~]{0,40}"),
    ) {
        let mut builder = SignatureParams::builder().created(created).keyid(&keyid);
        for component in &components {
            builder = builder.cover(component.as_str());
        }
        if let Some(nonce) = nonce {
            builder = builder.nonce(nonce);
        }
        let params = builder.build().unwrap();
        prop_assert_eq!(params.components().len(), components.len());
        prop_assert_eq!(params.created(), Some(created));
        prop_assert_eq!(params.keyid(), Some(keyid.as_str()));

        let input = SignatureInput::new(&label, params).unwrap();
        prop_assert_eq!(SignatureInput::parse(input.to_string()).unwrap(), input);
    }

    #[test]
    fn arbitrary_bytes_never_panic(header: Vec<u8>) {
        let _ = SignatureInput::parse(header);
    }

    #[test]
    fn arbitrary_text_never_panics(header in any::<String>()) {
        let _ = SignatureInput::parse(header);
    }

    #[test]
    fn arbitrary_near_misses_never_panic(
        header in r#"(sig1?=\(("[@a-z,\\"]{0,4}";?[a-z]?=?){0,2}\)(;[a-z]{1,3}=["0-9?a,\\]{0,4}){0,2},? ?){1,3}"#,
    ) {
        if let Ok(input) = SignatureInput::parse(header) {
            prop_assert_eq!(SignatureInput::parse(input.to_string()).unwrap(), input);
        }
    }
}
