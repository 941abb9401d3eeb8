//! What holds for every request and every key.

use std::sync::LazyLock;

use margo_types::auth::SignatureAlgorithm;
use margo_types::signature::{Profile, Signing, SigningKey};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{Request, ed25519, now, p256, p384, rsa};

/// A key for every algorithm.
static KEYS: LazyLock<Vec<SigningKey>> = LazyLock::new(|| {
    use SignatureAlgorithm::{RsaPssSha256, RsaPssSha512, RsaV15Sha256};
    let rsa = |algorithm| rsa().with_algorithm(algorithm).unwrap();
    vec![
        p256(),
        p384(),
        ed25519(),
        rsa(RsaV15Sha256),
        rsa(RsaPssSha256),
        rsa(RsaPssSha512),
    ]
});

fn any_key() -> impl Strategy<Value = &'static SigningKey> {
    select((0..6).collect::<Vec<usize>>()).prop_map(|position| &KEYS[position])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_signed_verifies(
        key in any_key(),
        method in "[A-Z]{1,8}",
        path in "(/[a-zA-Z0-9._~:%-]{0,12}){1,4}(\\?[a-z=&%0-9]{0,12})?",
        body: Vec<u8>,
        nonce in "[ -~]{0,24}",
    ) {
        let request = Request {
            method,
            target_uri: format!("https://wfm.example.test:8443{path}"),
            headers: Vec::new(),
            body,
        };
        let request = request.signed_as(Signing::new(key, now()).nonce(&nonce));
        let proof = request.verify(key.public()).unwrap();
        prop_assert_eq!(proof.nonce(), Some(nonce.as_str()));
        prop_assert_eq!(proof.algorithm(), &margo_types::signature::Signer::algorithm(key));
    }

    #[test]
    fn any_flipped_bit_is_refused(key in any_key(), place in 0_usize..5, at: Index, bit in 0_u8..8) {
        let mut request = Request::post().signed_as(Signing::new(key, now()));
        let flip = |bytes: &mut Vec<u8>| {
            let position = at.index(bytes.len());
            bytes[position] ^= 1 << bit;
        };
        let flip_text = |text: &mut String| {
            let mut bytes = text.clone().into_bytes();
            flip(&mut bytes);
            *text = String::from_utf8_lossy(&bytes).into_owned();
        };
        match place {
            0 => flip_text(&mut request.method),
            1 => flip_text(&mut request.target_uri),
            2 => flip(&mut request.body),
            // of the headers, the values: Content-Digest, Signature-Input
            3 => flip(&mut request.headers[0].1),
            _ => flip(&mut request.headers[1].1),
        }
        prop_assert!(request.verify(key.public()).is_err());
    }

    #[test]
    fn any_flipped_bit_of_the_signature_is_refused(key in any_key(), at: Index, bit in 0_u8..8) {
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD;
        let request = Request::post().signed(key);
        let mut signature = request.verify(key.public()).unwrap().signature().to_vec();
        let position = at.index(signature.len());
        signature[position] ^= 1 << bit;
        let header = format!("sig1=:{}:", STANDARD.encode(signature));
        prop_assert!(request.with("signature", &header).verify(key.public()).is_err());
    }

    #[test]
    fn arbitrary_headers_never_panic(
        input in r#"sig1?=\(("(@method|@target-uri|content-digest|a)";?[a-z]?=? ?){0,4}\)(;(created|alg|expires)=["0-9?a]{0,12}){0,3}"#,
        signature in "sig1?=:[A-Za-z0-9+/]{0,88}={0,2}:",
        digest: Vec<u8>,
    ) {
        let mut request = Request::post()
            .with("signature-input", &input)
            .with("signature", &signature);
        request.headers.push(("content-digest".to_owned(), digest));
        for key in [p256(), ed25519()] {
            prop_assert!(request.verify(key.public()).is_err());
        }
    }

    #[test]
    fn another_key_never_verifies(signer in any_key(), verifier in any_key()) {
        prop_assume!(signer.public() != verifier.public());
        let signing = Signing::new(signer, now()).profile(Profile::SANDBOX_9421_2026);
        prop_assert!(Request::post().signed_as(signing).verify(verifier.public()).is_err());
    }
}
