//! What is sent, byte for byte, and what is accepted of others.

use margo_types::auth::SignatureAlgorithm;
use margo_types::signature::{Policy, Profile, Signing, SigningKey, Tolerance, VerifyError};

use super::recorded::{self, Recorded};
use super::{Request, ed25519, later, now, p256, p384, rsa};

const DIGEST: &str = "sha-256=:FTAT49pXRF+/Snmu0qFNQC8pprn1lBVPHI71uXQQ184=:";

#[test]
fn our_requests_are_signed_as_recorded() {
    let key = ed25519();
    let post = Request::post().signed(&key);
    assert_headers(&post, recorded::COMMON_POST);
    assert_eq!(post.header("content-digest"), DIGEST);

    let get = Request::get().signed(&key);
    assert_headers(&get, recorded::COMMON_GET);
    assert!(get.lines("content-digest").is_empty());

    let rsa = rsa()
        .with_algorithm(SignatureAlgorithm::RsaV15Sha256)
        .unwrap();
    assert_headers(&Request::post().signed(&rsa), recorded::COMMON_RSA);
}

#[test]
fn requests_of_peers_are_signed_as_recorded() {
    let key = ed25519();
    for (profile, recorded) in [
        (Profile::SYMPHONY_2025_12, recorded::SYMPHONY_ED),
        (Profile::SANDBOX_9421_2026, recorded::SANDBOX_ED),
    ] {
        let request = Request::post().signed_as(Signing::new(&key, now()).profile(profile));
        assert_headers(&request, recorded);
        assert_eq!(request.header("content-digest"), DIGEST, "{}", profile.name);
    }
}

#[test]
fn parameters_come_in_the_order_the_reference_insists_on() {
    let key = ed25519();
    let signing = Signing::new(&key, now())
        .tag("t")
        .nonce("n")
        .keyid("k")
        .expires(later(60));
    let request = Request::get().signed_as(signing);
    assert_eq!(
        request.header("signature-input"),
        r#"sig1=("@method" "@target-uri" "@authority");created=1735689600;expires=1735689660;keyid="k";alg="ed25519";nonce="n";tag="t""#
    );
    let proof = request.verify(key.public()).unwrap();
    assert_eq!((proof.keyid(), proof.nonce()), (Some("k"), Some("n")));
    assert_eq!(proof.created(), now());
}

#[test]
fn requests_of_peers_are_accepted() {
    let tolerant = Policy::default().tolerating(Tolerance::DigestNotCovered);
    let strict = Policy::default();
    for (recorded, key, policy, algorithm) in [
        (
            recorded::SYMPHONY,
            p256(),
            &tolerant,
            SignatureAlgorithm::EcdsaP256Sha256,
        ),
        (
            recorded::SYMPHONY_RSA,
            rsa(),
            &tolerant,
            SignatureAlgorithm::RsaPssSha512,
        ),
        (
            recorded::SANDBOX,
            p384(),
            &strict,
            SignatureAlgorithm::EcdsaP384Sha384,
        ),
        (
            recorded::PSS_SHA256,
            rsa(),
            &strict,
            SignatureAlgorithm::RsaPssSha256,
        ),
        (
            recorded::COMMON_RSA,
            rsa(),
            &strict,
            SignatureAlgorithm::RsaV15Sha256,
        ),
    ] {
        let proof = received(recorded)
            .verify_with(key.public(), policy, now())
            .unwrap();
        assert_eq!(proof.algorithm(), &algorithm);
        assert_eq!(proof.keyid(), Some(key.public().id()));
        assert_eq!(proof.created(), now());
    }
}

#[test]
fn each_profile_names_the_tolerances_it_needs() {
    for key in [p256(), p384(), ed25519(), rsa()] {
        for profile in Profile::ALL {
            let request = Request::post().signed_as(Signing::new(&key, now()).profile(profile));
            let tolerances = profile.tolerances.iter().copied();
            let policy = tolerances.fold(Policy::default(), Policy::tolerating);
            request.verify_with(key.public(), &policy, now()).unwrap();
            if !profile.tolerances.is_empty() {
                assert!(request.verify(key.public()).is_err(), "{}", profile.name);
            }
            assert_eq!(Profile::named(profile.name), Some(profile));
        }
    }
    assert_eq!(Profile::named("?"), None);
}

#[test]
fn the_template_of_the_specification_is_accepted() {
    // Contradictions 3 and 6: a capital in the name of the digest, an RSA key, and no word on the padding.
    let request = received(recorded::TEMPLATE);
    let key = rsa();
    assert_eq!(request.verify(key.public()), Err(VerifyError::Mismatch));
    let policy = Policy::default().tolerating(Tolerance::AnyRsaPadding);
    let proof = request.verify_with(key.public(), &policy, now()).unwrap();
    assert_eq!(proof.algorithm(), &SignatureAlgorithm::RsaV15Sha256);
    assert_eq!(proof.keyid(), Some("my-rsa-key"));
}

#[test]
fn tolerances_have_names() {
    for tolerance in Tolerance::ALL {
        assert_eq!(tolerance.as_str().parse(), Ok(tolerance));
    }
    let unknown = "everything".parse::<Tolerance>().unwrap_err().to_string();
    for tolerance in Tolerance::ALL {
        assert!(unknown.contains(tolerance.as_str()), "{unknown}");
    }
}

#[test]
fn a_key_elsewhere_signs_through_the_trait() {
    use margo_types::signature::{Signer, SignerError, VerifyingKey};

    #[derive(Debug)]
    struct Device(SigningKey, bool);
    impl Signer for Device {
        fn algorithm(&self) -> SignatureAlgorithm {
            self.0.algorithm()
        }
        fn public(&self) -> &VerifyingKey {
            self.0.public()
        }
        fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
            if self.1 {
                self.0.sign(message)
            } else {
                Err(SignerError::new("the device is locked"))
            }
        }
    }

    let device: Box<dyn Signer> = Box::new(Device(p256(), true));
    let request = Request::post().signed(&*device);
    request.verify(p256().public()).unwrap();

    let locked = Device(p256(), false);
    let parts = margo_types::auth::RequestParts::new("GET", "https://h/", |_| vec![]);
    let error = Signing::new(&locked, now()).sign(&parts, b"").unwrap_err();
    let causes: Vec<String> =
        std::iter::successors(Some(&error as &dyn std::error::Error), |error| {
            error.source()
        })
        .map(ToString::to_string)
        .collect();
    assert_eq!(causes.last().unwrap(), "the device is locked");
}

fn received((input, signature): Recorded) -> Request {
    Request::post()
        .with("content-digest", DIGEST)
        .with("signature-input", input)
        .with("signature", signature)
}

fn assert_headers(request: &Request, (input, signature): Recorded) {
    assert_eq!(request.header("signature-input"), input);
    assert_eq!(request.header("signature"), signature);
}
