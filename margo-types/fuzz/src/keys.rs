//! Keys and certificates that somebody sends, or that a file has.

use margo_types::onboarding::Certificate;
use margo_types::signature::{ClientCertificate, Signer as _, SigningKey, VerifyingKey};

/// A private key, a public key and a certificate: whichever the bytes are.
pub fn keys(bytes: &[u8]) {
    match SigningKey::from_pem(bytes) {
        Ok(key) => {
            // A key that is taken signs, and its other half verifies that.
            let signature = key.sign(bytes).expect("a signature");
            let verified = key.public().verify(&key.algorithm(), bytes, &signature);
            assert!(verified.is_ok(), "the halves do not go together");
            let printed = format!("{key:?}");
            assert!(printed.len() < 300 && printed.contains(key.public().id()));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match VerifyingKey::from_spki_der(bytes) {
        Ok(key) => public(&key),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let certificate = Certificate::from_text(text);
    if let Ok(der) = certificate.der() {
        let written = Certificate::from_der(&der).expect("the same DER");
        assert_eq!(written.der().as_ref(), Ok(&der));
        assert_eq!(
            ClientCertificate::read(&certificate),
            ClientCertificate::read(&written),
            "the form decides who it is"
        );
    }
    if let Ok(certificate) = ClientCertificate::read(&certificate) {
        public(certificate.key());
    }
}

fn public(key: &VerifyingKey) {
    let again = VerifyingKey::from_spki_der(key.spki_der()).expect("as before");
    assert_eq!((key, key.id()), (&again, again.id()));
    for algorithm in key.key_type().algorithms() {
        assert!(key.verify(algorithm, b"message", &[0; 64]).is_err());
    }
}
