use proptest::{collection::vec, prelude::*};

use super::*;

#[test]
fn signatures_are_found_by_label() {
    let signatures = Signatures::parse("sig1=:AAEC:, proxy=:/w==:;note=\"x\"").unwrap();
    assert_eq!(signatures.get("sig1"), Some(&[0, 1, 2][..]));
    assert_eq!(signatures.get("proxy"), Some(&[255][..]));
    assert_eq!(signatures.get("sig"), None);
    assert_eq!(signatures.to_string(), "sig1=:AAEC:, proxy=:/w==:");
}

#[test]
fn a_label_used_twice_is_refused() {
    assert_eq!(
        Signatures::parse("sig1=:AAEC:,sig1=:AAEC:"),
        Err(FieldError::Duplicate {
            field: "Signature",
            member: "sig1".to_owned()
        })
    );
}

#[test]
fn malformed_headers_are_refused() {
    for header in [
        "",
        "sig1",
        "sig1=",
        "sig1=:A",
        "sig1=AAEC",
        "sig1=(:AAEC:)",
        "Sig1=:AAEC:",
        "sig1=:AA EC:",
        "sig1=:AAEC:,",
    ] {
        assert!(Signatures::parse(header).is_err(), "{header}");
    }
    assert!(Signatures::parse(b"sig1=:\xff:").is_err());
}

#[test]
fn limits_can_be_raised() {
    let header = format!("sig1=:{}:", "A".repeat(16 * 1024));
    let raised = FieldLimits {
        bytes: 1 << 20,
        ..FieldLimits::default()
    };
    assert!(matches!(
        Signatures::parse(&header),
        Err(FieldError::TooLong { .. })
    ));
    assert!(Signatures::parse_within(&raised, &header).is_ok());
}

#[test]
fn a_label_that_cannot_be_written_is_refused() {
    for label in ["", "Sig", "a b", "a=b", "a,b", "1a", "ä"] {
        assert!(Signatures::new(label, [1]).is_err(), "{label}");
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(label in "[a-z*][a-z0-9_.*-]{0,20}", signature in vec(any::<u8>(), 0..600)) {
        let signatures = Signatures::new(&label, signature).unwrap();
        prop_assert_eq!(Signatures::parse(signatures.to_string()).unwrap(), signatures);
    }

    #[test]
    fn arbitrary_bytes_never_panic(header: Vec<u8>) {
        let _ = Signatures::parse(header);
    }
}
