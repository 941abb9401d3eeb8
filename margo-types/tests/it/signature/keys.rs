//! Which keys are read, and how they are named.

use margo_types::auth::SignatureAlgorithm;
use margo_types::onboarding::{Certificate, InvalidCertificate};
use margo_types::signature::{
    ClientCertificate, InvalidKey, KeyType, Signer as _, SigningKey, VerifyingKey,
};
use proptest::prelude::*;

use super::{ed25519, p256, p384, rsa};

const P256_CERTIFICATE: &str = include_str!("keys/p256.cert.pem");

#[test]
fn every_form_of_a_private_key_is_read() {
    let sec1 = SigningKey::from_pem(include_bytes!("keys/p256.sec1.pem")).unwrap();
    assert_eq!(sec1.public(), p256().public());
    let pkcs1 = SigningKey::from_pem(include_bytes!("keys/rsa.pkcs1.pem")).unwrap();
    assert_eq!(pkcs1.public(), rsa().public());
    assert_ne!(sec1.public(), pkcs1.public());
}

#[test]
fn the_algorithm_follows_the_key() {
    use SignatureAlgorithm as A;
    for (key, algorithm) in [
        (p256(), A::EcdsaP256Sha256),
        (p384(), A::EcdsaP384Sha384),
        (ed25519(), A::Ed25519),
        (rsa(), A::RsaPssSha512),
    ] {
        assert_eq!(key.algorithm(), algorithm);
    }
    let v15 = rsa().with_algorithm(A::RsaV15Sha256).unwrap();
    assert_eq!(v15.algorithm(), A::RsaV15Sha256);
    assert_eq!(
        p256()
            .with_algorithm(A::RsaV15Sha256)
            .unwrap_err()
            .to_string(),
        "rsa-v1_5-sha256 does not go with a key of ECDSA P-256; choose another algorithm or leave it out"
    );
}

#[test]
fn the_id_is_the_hash_of_the_public_key() {
    // openssl pkey -in p256.pem -pubout -outform DER | sha256sum
    let key = p256();
    let id = "8a2b16fcf1639e7dd7deb53dd2f3fabbbf03e98160575ed4be9c3dcce966d9a1";
    assert_eq!(key.public().id(), id);
    let read = VerifyingKey::from_spki_der(key.public().spki_der()).unwrap();
    assert_eq!(read.id(), id);
    assert_eq!(&read, key.public());
}

#[test]
fn weak_keys_are_refused_with_their_size() {
    let weak = InvalidKey::RsaSize { bits: 1024 };
    let private = SigningKey::from_pem(include_bytes!("keys/rsa-1024.pem"));
    assert_eq!(private.unwrap_err(), weak);
    let certificate = Certificate::from_text(include_str!("keys/rsa-1024.cert.pem"));
    assert_eq!(ClientCertificate::read(&certificate).unwrap_err(), weak);
    assert_eq!(
        weak.to_string(),
        "the RSA key has 1024 bits; use one of 2048 to 8192 bits"
    );
}

#[test]
fn keys_of_other_kinds_are_refused_with_the_kind() {
    for (certificate, reason) in [
        (
            include_str!("keys/p521.cert.pem"),
            "the public key is on an elliptic curve other than P-256 and P-384; use ECDSA P-256 or P-384, Ed25519, or RSA",
        ),
        (
            include_str!("keys/rsa-pss.cert.pem"),
            "the public key is an RSA key marked for RSASSA-PSS alone; use ECDSA P-256 or P-384, Ed25519, or RSA",
        ),
    ] {
        let error = ClientCertificate::read(&Certificate::from_text(certificate)).unwrap_err();
        assert_eq!(error.to_string(), reason);
    }
    let pss = SigningKey::from_pem(include_bytes!("keys/rsa-pss.pem"));
    assert_eq!(pss.unwrap_err(), InvalidKey::UnusablePrivateKey);
}

#[test]
fn what_is_no_private_key_is_refused() {
    for (text, error) in [
        ("", InvalidKey::NoPrivateKey),
        (P256_CERTIFICATE, InvalidKey::NoPrivateKey),
        ("-----BEGIN PRIVATE KEY-----\nMIGH", InvalidKey::NotPem),
        (
            "-----BEGIN PRIVATE KEY-----\nMAMCAQA=\n-----END PRIVATE KEY-----",
            InvalidKey::UnusablePrivateKey,
        ),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMAMCAQA=\n-----END RSA PRIVATE KEY-----",
            InvalidKey::UnusablePrivateKey,
        ),
    ] {
        assert_eq!(
            SigningKey::from_pem(text.as_bytes()).unwrap_err(),
            error,
            "{text}"
        );
    }
}

#[test]
fn a_key_is_not_printed() {
    let pem = include_str!("keys/ed25519.pem");
    let printed = format!("{:?}", ed25519());
    assert!(printed.contains(ed25519().public().id()), "{printed}");
    let secret = &pem.lines().nth(1).unwrap()[22..];
    assert!(!printed.contains(secret), "{printed}");
}

#[test]
fn the_key_of_a_certificate_is_read_from_every_form() {
    let pem = Certificate::from_text(P256_CERTIFICATE);
    let der = Certificate::from_der(&pem.der().unwrap()).unwrap();
    let base64_of_pem = Certificate::from_text(base64(P256_CERTIFICATE.as_bytes()));
    for text in [pem, der, base64_of_pem] {
        let read = ClientCertificate::read(&text).unwrap();
        assert_eq!(read.key(), p256().public());
        assert_eq!(read.key().key_type(), KeyType::EcdsaP256);
        assert!(read.not_before() < read.not_after());
    }
}

#[test]
fn what_is_no_certificate_is_refused() {
    let read = |text: &str| ClientCertificate::read(&Certificate::from_text(text)).unwrap_err();
    assert_eq!(
        read("?"),
        InvalidKey::Certificate(InvalidCertificate::NotBase64)
    );
    assert_eq!(
        read(&base64(&[0x30, 3, 2, 1, 0])),
        InvalidKey::MalformedCertificate
    );
}

#[test]
fn a_point_that_is_not_on_the_curve_is_refused() {
    let mut spki = p256().public().spki_der().to_vec();
    *spki.last_mut().unwrap() ^= 1;
    assert_eq!(
        VerifyingKey::from_spki_der(&spki).unwrap_err(),
        InvalidKey::Malformed
    );
}

proptest! {
    #[test]
    fn damaged_keys_never_panic(position in 0_usize..294, byte: u8, length in 0_usize..=294) {
        let key = rsa();
        let mut spki = key.public().spki_der().to_vec();
        spki[position] = byte;
        if let Ok(read) = VerifyingKey::from_spki_der(&spki) {
            prop_assert_eq!(read.spki_der(), spki.as_slice());
        }
        if length < spki.len() {
            prop_assert!(VerifyingKey::from_spki_der(&spki[..length]).is_err());
        }
    }

    #[test]
    fn arbitrary_keys_never_panic(bytes: Vec<u8>) {
        prop_assert!(VerifyingKey::from_spki_der(&bytes).is_err());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----", base64(&bytes));
        prop_assert!(SigningKey::from_pem(pem.as_bytes()).is_err());
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
