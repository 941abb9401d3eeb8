//! Certificates in every form that implementations send.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use margo_types::onboarding::{Certificate, InvalidCertificate};
use proptest::prelude::*;

/// A DER sequence around so many bytes.
fn der(length: usize) -> Vec<u8> {
    let mut der = vec![0x30];
    match u8::try_from(length) {
        Ok(short @ 0..=0x7f) => der.push(short),
        Ok(long) => der.extend([0x81, long]),
        Err(_) => {
            der.push(0x82);
            der.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    der.extend((0..length).map(|index| u8::try_from(index % 251).unwrap()));
    der
}

fn pem(der: &[u8], newline: &str) -> String {
    let encoded = STANDARD.encode(der);
    let lines: Vec<_> = encoded
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    let lines = lines.join(newline);
    format!(
        "-----BEGIN CERTIFICATE-----{newline}{lines}{newline}-----END CERTIFICATE-----{newline}"
    )
}

#[test]
fn every_documented_form_gives_the_same_der() {
    for length in [1, 127, 128, 255, 256, 700, 40_000] {
        let expected = der(length);
        let pem_crlf = pem(&expected, "\r\n");
        let chain = pem(&expected, "\n") + &pem(&der(9), "\n");
        for text in [
            STANDARD.encode(&expected),
            URL_SAFE_NO_PAD.encode(&expected),
            pem(&expected, "\n"),
            pem_crlf.clone(),
            format!("subject=CN = fleet\r\n{pem_crlf}\r\ntrailing words"),
            chain,
        ] {
            assert_eq!(
                Certificate::from_text(text).der().as_deref(),
                Ok(&*expected)
            );
        }
        // Twice encoded, so only what fits the limit.
        if length < 10_000 {
            let twice = STANDARD.encode(&pem_crlf);
            assert_eq!(
                Certificate::from_text(twice).der().as_deref(),
                Ok(&*expected)
            );
        }
        let written = Certificate::from_der(&expected).unwrap();
        assert_eq!(written.as_str(), STANDARD.encode(&expected));
    }
}

#[test]
fn what_is_no_certificate_is_refused_for_its_reason() {
    use InvalidCertificate::{NoCertificateBlock, NotBase64, NotDer, TooLong};

    let cut = STANDARD.encode(&der(700)[..300]);
    let followed = STANDARD.encode([der(3), vec![0]].concat());
    let key = "-----BEGIN PUBLIC KEY-----\nMAMCAQU=\n-----END PUBLIC KEY-----\n";
    for (text, reason) in [
        ("", NotDer),
        ("not base64!", NotBase64),
        (
            "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----",
            NotBase64,
        ),
        ("-----BEGIN CERTIFICATE-----\nMAMCAQU=", NoCertificateBlock),
        (key, NoCertificateBlock),
        (&STANDARD.encode(key), NoCertificateBlock),
        (&cut, NotDer),
        (&followed, NotDer),
        (&STANDARD.encode([0x30, 0]), NotDer),
        (&STANDARD.encode([0x30, 0x80, 0, 0]), NotDer),
        (
            &STANDARD.encode([0x30, 0x84, 0xff, 0xff, 0xff, 0xff]),
            NotDer,
        ),
        (&STANDARD.encode([0x30, 0x82, 1]), NotDer),
        (&STANDARD.encode([0x31, 1, 1]), NotDer),
        (&"A".repeat(Certificate::MAX_LENGTH + 1), TooLong),
    ] {
        assert_eq!(
            Certificate::from_text(text).der(),
            Err(reason),
            "{text:.80}"
        );
    }
    assert_eq!(Certificate::from_der(b"nonsense"), Err(NotDer));
    assert_eq!(Certificate::from_der(&der(60_000)), Err(TooLong));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn no_text_makes_decoding_panic(text in ".{0,200}", bytes in any::<Vec<u8>>()) {
        let _ = Certificate::from_text(text).der();
        let _ = Certificate::from_text(STANDARD.encode(&bytes)).der();
        let block = format!("-----BEGIN CERTIFICATE-----{}-----END CERTIFICATE-----", STANDARD.encode(&bytes));
        let _ = Certificate::from_text(STANDARD.encode(block)).der();
        if let Ok(certificate) = Certificate::from_der(&bytes) {
            prop_assert_eq!(certificate.der(), Ok(bytes));
        }
    }
}
