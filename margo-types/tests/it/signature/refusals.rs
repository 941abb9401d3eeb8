//! Requests that are refused, each with its reason and status.

use margo_types::auth::{FieldError, RequestParts};
use margo_types::problem::ProblemType;
use margo_types::signature::{
    Policy, Profile, Signing, Tolerance, VerifiedSignature, VerifyError, VerifyingKey, verify_head,
};

use super::{BODY, Request, ed25519, later, now, p256, p384, rsa};

#[test]
fn a_signed_request_is_accepted() {
    for key in [p256(), p384(), ed25519(), rsa()] {
        for request in [Request::post(), Request::get()] {
            let request = request.signed(&key);
            let proof = request.verify(key.public()).unwrap();
            assert_eq!(proof.label(), "sig1");
            assert!(proof.params().covers("@authority"));
            assert_eq!(
                request.header("signature"),
                format!("sig1=:{}:", base64(proof.signature()))
            );
        }
    }
}

#[test]
fn unsigned() {
    let request = Request::post();
    assert_refused(
        request.verify(p256().public()),
        "the request has no Signature-Input; sign it as RFC 9421 has it",
    );
    let request = Request::post().signed(&p256()).without("signature");
    assert_refused(
        request.verify(p256().public()),
        "the request has no Signature; sign it as RFC 9421 has it",
    );
}

#[test]
fn wrong_key() {
    let request = Request::post().signed(&p256());
    // Of the same kind: that of RFC 9421, appendix B.1.3.
    let other =
        VerifyingKey::from_spki_der(&super::appendix::decode(super::appendix::P256)).unwrap();
    assert_eq!(request.verify(&other), Err(VerifyError::Mismatch));
    // Of another kind, and so the algorithm named is wrong.
    assert_refused(
        request.verify(p384().public()),
        "ecdsa-p256-sha256 does not go with the client's key of ECDSA P-384; name the algorithm of the key, or none",
    );
    // Of another kind, and no algorithm is named.
    let key = p256();
    let request =
        Request::post().signed_as(Signing::new(&key, now()).profile(Profile::SANDBOX_9421_2026));
    for other in [p384(), ed25519(), rsa()] {
        assert_eq!(request.verify(other.public()), Err(VerifyError::Mismatch));
    }
}

#[test]
fn altered_on_its_way() {
    let key = p256();
    let signed = || Request::post().signed(&key);
    let refuse = |request: Request| {
        let error = request.verify(key.public()).unwrap_err();
        assert_eq!(
            (error.status(), error.problem_type()),
            (401, ProblemType::SignatureVerificationFailed)
        );
        assert_eq!(error, VerifyError::Mismatch);
    };

    let mut path = signed();
    path.target_uri = path.target_uri.replace("c-01", "c-02");
    refuse(path);
    let mut query = signed();
    query.target_uri.push_str("?a=b");
    refuse(query);
    let mut method = signed();
    method.method = "PUT".to_owned();
    refuse(method);
    let mut body_and_digest = signed();
    body_and_digest.body = b"{}".to_vec();
    let digest = margo_types::auth::ContentDigest::sha256(b"{}").to_string();
    refuse(body_and_digest.with("content-digest", &digest));
    let input = signed().header("signature-input");
    refuse(signed().with(
        "signature-input",
        &input.replace("1735689600", "1735689601"),
    ));
}

#[test]
fn altered_body() {
    let mut request = Request::post().signed(&p256());
    request.body.push(b' ');
    let error = request.verify(p256().public()).unwrap_err();
    assert!(matches!(error, VerifyError::Digest(_)), "{error}");
    assert_eq!(
        (error.status(), error.problem_type()),
        (400, ProblemType::InvalidDigestHeader)
    );

    let mut emptied = Request::post().signed(&p256());
    emptied.body.clear();
    assert!(matches!(
        emptied.verify(p256().public()),
        Err(VerifyError::Digest(_))
    ));
}

#[test]
fn digest_missing_or_malformed() {
    let key = p256();
    let request = Request::post().signed(&key).without("content-digest");
    let error = request.verify(key.public()).unwrap_err();
    assert_eq!((&error, error.status()), (&VerifyError::NoDigest, 400));

    let request = Request::post()
        .signed(&key)
        .with("content-digest", "sha-256=:AAAA:");
    let error = request.verify(key.public()).unwrap_err();
    assert!(matches!(error, VerifyError::MalformedDigest(_)), "{error}");
    assert_eq!(error.status(), 400);

    // An unknown algorithm proves nothing about the body.
    let key = ed25519();
    let signing = Signing::new(&key, now()).profile(Profile::SYMPHONY_2025_12);
    let request = Request::post()
        .signed_as(signing)
        .with("content-digest", "md5=:AAAA:");
    let policy = Policy::default().tolerating(Tolerance::DigestNotCovered);
    let error = request
        .verify_with(key.public(), &policy, now())
        .unwrap_err();
    assert!(matches!(error, VerifyError::Digest(_)), "{error}");
}

#[test]
fn a_body_is_compared_even_where_its_digest_need_not_be_covered() {
    let key = p256();
    let signing = Signing::new(&key, now()).profile(Profile::SYMPHONY_2025_12);
    let mut request = Request::post().signed_as(signing);
    assert_refused(
        request.verify(key.public()),
        "the signature does not cover content-digest; cover it",
    );
    let policy = Policy::default().tolerating(Tolerance::DigestNotCovered);
    request.verify_with(key.public(), &policy, now()).unwrap();

    request.body = b"{}".to_vec();
    let error = request
        .verify_with(key.public(), &policy, now())
        .unwrap_err();
    assert!(matches!(error, VerifyError::Digest(_)), "{error}");
    let request = request.without("content-digest");
    let error = request
        .verify_with(key.public(), &policy, now())
        .unwrap_err();
    assert_eq!(error, VerifyError::NoDigest);
}

#[test]
fn too_little_covered() {
    let key = p256();
    let covering = |components| {
        let mut profile = Profile::COMMON;
        profile.components = components;
        Request::post().signed_as(Signing::new(&key, now()).profile(profile))
    };
    let lax = Policy::default().tolerating(Tolerance::TargetUriNotCovered);

    covering(&["@method", "@target-uri"])
        .verify(key.public())
        .unwrap();
    let no_target = covering(&["@method", "@path"]);
    assert_refused(
        no_target.verify(key.public()),
        "the signature does not cover @target-uri; cover it",
    );
    no_target.verify_with(key.public(), &lax, now()).unwrap();
    let no_method = covering(&["@target-uri"]).verify_with(key.public(), &lax, now());
    assert_refused(no_method, "the signature does not cover @method; cover it");
    assert!(covering(&[]).verify(key.public()).is_err());
}

#[test]
fn a_covered_header_that_is_gone() {
    let key = p256();
    let mut profile = Profile::COMMON;
    profile.components = &["@method", "@target-uri", "accept"];
    let signing = Signing::new(&key, now()).profile(profile);
    let request = Request::get()
        .with("accept", "text/html")
        .signed_as(signing);
    request.verify(key.public()).unwrap();
    let gone = request.clone().without("accept").verify(key.public());
    assert_refused(gone, "what the signature covers is not in the request");
    assert_eq!(
        request.with("accept", "*/*").verify(key.public()),
        Err(VerifyError::Mismatch)
    );
}

#[test]
fn stale_and_future() {
    let key = p256();
    let request = Request::get().signed(&key);
    let at = |seconds| request.verify_with(key.public(), &Policy::default(), later(seconds));
    at(300).unwrap();
    at(-60).unwrap();
    assert_refused(
        at(301),
        "the signature was created 301 seconds ago where 300 are allowed; sign every request anew, and check the clocks",
    );
    assert_refused(
        at(-61),
        "the signature was created 61 seconds in the future where 60 are allowed; check the clocks",
    );
    assert!(matches!(
        at(i64::from(u32::MAX)),
        Err(VerifyError::Stale { .. })
    ));
}

#[test]
fn without_created() {
    let key = p256();
    let request = Request::get().signed(&key);
    let input = request
        .header("signature-input")
        .replace(";created=1735689600", "");
    let request = request.with("signature-input", &input);
    assert_eq!(request.verify(key.public()), Err(VerifyError::NoCreated));
}

#[test]
fn expired() {
    let key = p256();
    let request = Request::get().signed_as(Signing::new(&key, now()).expires(later(10)));
    let at = |seconds| request.verify_with(key.public(), &Policy::default(), later(seconds));
    at(70).unwrap();
    assert_refused(
        at(71),
        "the signature expired 61 seconds ago; sign the request anew, and check the clocks",
    );
}

#[test]
fn an_unknown_label() {
    let key = p256();
    let mut profile = Profile::COMMON;
    profile.label = "mine";
    let request = Request::get().signed_as(Signing::new(&key, now()).profile(profile));
    assert_refused(
        request.verify(key.public()),
        "the label mine is not accepted; use sig1",
    );
    let any = Policy::default().tolerating(Tolerance::AnyLabel);
    assert_eq!(
        request
            .verify_with(key.public(), &any, now())
            .unwrap()
            .label(),
        "mine"
    );
    let mut own = Policy::default();
    own.labels = ["mine".to_owned()].into();
    request.verify_with(key.public(), &own, now()).unwrap();
}

#[test]
fn two_labels() {
    let (key, proxy) = (p256(), ed25519());
    let mut profile = Profile::COMMON;
    profile.label = "proxy";
    let other = Request::get().signed_as(Signing::new(&proxy, now()).profile(profile));
    let own = Request::get().signed(&key);
    let request = other
        .and("signature-input", &own.header("signature-input"))
        .and("signature", &own.header("signature"));

    assert_refused(
        request.verify(key.public()),
        "there are 2 signatures; send one",
    );
    let several = Policy::default().tolerating(Tolerance::SeveralLabels);
    let proof = request.verify_with(key.public(), &several, now()).unwrap();
    assert_eq!(proof.label(), "sig1");
    // That of the proxy does not stand in for it.
    assert!(
        request
            .verify_with(proxy.public(), &several, now())
            .is_err()
    );
    // A known label goes before any other.
    let any = several.clone().tolerating(Tolerance::AnyLabel);
    assert_eq!(
        request
            .verify_with(key.public(), &any, now())
            .unwrap()
            .label(),
        "sig1"
    );
}

#[test]
fn labels_that_do_not_match() {
    let key = p256();
    let request = Request::get().signed(&key);
    let renamed = request.header("signature").replace("sig1", "sig");
    assert_refused(
        request
            .clone()
            .with("signature", &renamed)
            .verify(key.public()),
        "the label sig1 is not in Signature; use the same labels in Signature-Input and Signature",
    );
    let more = format!("{}, sig=:AAAA:", request.header("signature"));
    assert_refused(
        request.with("signature", &more).verify(key.public()),
        "the label sig is not in Signature-Input; use the same labels in Signature-Input and Signature",
    );
}

#[test]
fn a_label_used_twice() {
    let key = p256();
    let request = Request::get().signed(&key);
    let input = request.header("signature-input");
    let error = request
        .and("signature-input", &input)
        .verify(key.public())
        .unwrap_err();
    assert!(
        matches!(error, VerifyError::Malformed(FieldError::Duplicate { .. })),
        "{error}"
    );
}

#[test]
fn a_header_of_a_megabyte() {
    let key = p256();
    let huge = format!("sig1=({})", r#""a" "#.repeat(1 << 18));
    for name in ["signature-input", "signature"] {
        let error = Request::get()
            .signed(&key)
            .with(name, &huge)
            .verify(key.public())
            .unwrap_err();
        assert!(
            matches!(error, VerifyError::Malformed(FieldError::TooLong { .. })),
            "{error}"
        );
        assert_eq!(error.status(), 401);
    }
    let error = Request::post()
        .signed(&key)
        .with("content-digest", &huge)
        .verify(key.public());
    assert!(matches!(
        error,
        Err(VerifyError::MalformedDigest(FieldError::TooLong { .. }))
    ));
}

#[test]
fn an_algorithm_that_is_not_known() {
    let key = p256();
    let request = Request::get().signed(&key);
    let input = request
        .header("signature-input")
        .replace("ecdsa-p256-sha256", "hmac-sha256");
    assert_refused(
        request.with("signature-input", &input).verify(key.public()),
        "hmac-sha256 does not go with the client's key of ECDSA P-256; name the algorithm of the key, or none",
    );
}

#[test]
fn an_ecdsa_signature_in_der() {
    let key = p256();
    let request = Request::get().signed(&key);
    let proof = request.verify(key.public()).unwrap();
    let integer = |half: &[u8]| [&[2, 33, 0][..], half].concat();
    let (r, s) = proof.signature().split_at(32);
    let der = [&[0x30, 70][..], &integer(r), &integer(s)].concat();
    let request = request.with("signature", &format!("sig1=:{}:", base64(&der)));
    assert_eq!(request.verify(key.public()), Err(VerifyError::Mismatch));
}

#[test]
fn a_replay_is_recognised_by_its_key() {
    let key = p256();
    let request = Request::post().signed(&key);
    let proof = request.verify(key.public()).unwrap();
    assert_eq!(
        proof.replay_key(),
        request.verify(key.public()).unwrap().replay_key()
    );
    assert_eq!(proof.replayable_until(), later(300));

    // Whoever sees (r, s) can make (r, n - s), which verifies too.
    let (r, s) = proof.signature().split_at(32);
    let twin = [r, &negated(s)].concat();
    let replayed = request.with("signature", &format!("sig1=:{}:", base64(&twin)));
    let replayed = replayed.verify(key.public()).unwrap();
    assert_ne!(replayed.signature(), proof.signature());
    assert_eq!(replayed.replay_key(), proof.replay_key());

    // Another request is not taken for a replay.
    let again = Request::post().signed(&key).verify(key.public()).unwrap();
    assert_ne!(again.replay_key(), proof.replay_key());
    let key = ed25519();
    let with_nonce = |nonce| {
        let request = Request::post().signed_as(Signing::new(&key, now()).nonce(nonce));
        request.verify(key.public()).unwrap().replay_key()
    };
    assert_eq!(with_nonce("1"), with_nonce("1"));
    assert_ne!(with_nonce("1"), with_nonce("2"));
}

#[test]
fn an_empty_body_may_have_a_digest() {
    // Contradiction 8.
    let key = p256();
    let empty = margo_types::auth::ContentDigest::sha256(b"").to_string();
    let request = Request::get().signed(&key);
    request
        .clone()
        .with("content-digest", &empty)
        .verify(key.public())
        .unwrap();
    let wrong = margo_types::auth::ContentDigest::sha256(BODY).to_string();
    let error = request
        .with("content-digest", &wrong)
        .verify(key.public())
        .unwrap_err();
    assert!(matches!(error, VerifyError::Digest(_)), "{error}");
}

#[test]
fn a_body_that_comes_later_is_checked_all_the_same() {
    let key = p256();
    let head_of = |request: &Request, has_body| {
        let parts = RequestParts::new(&request.method, &request.target_uri, |name| {
            request.lines(name)
        });
        verify_head(&parts, has_body, key.public(), &Policy::default(), now())
    };
    let post = Request::post().signed(&key);
    let head = || head_of(&post, true).unwrap();
    let proof = head().with_body(BODY).unwrap();
    assert_eq!(Ok(proof), post.verify(key.public()));
    for other in [&BODY[1..], b""] {
        let error = head().with_body(other).unwrap_err();
        assert!(matches!(error, VerifyError::Digest(_)), "{error}");
    }

    // Whoever announces no body needs no digest, and can send none.
    let get = Request::get().signed(&key);
    let head = || head_of(&get, false).unwrap();
    assert!(head().with_body(b"").is_ok());
    assert_eq!(head().with_body(BODY), Err(VerifyError::NoDigest));
    let error = head_of(&get, true).unwrap_err();
    assert_eq!(error, VerifyError::NoDigest);
}

/// Refused as unauthenticated, for this reason.
#[track_caller]
fn assert_refused(result: Result<VerifiedSignature, VerifyError>, reason: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.to_string(), reason);
    assert_eq!(error.status(), 401);
    assert_eq!(
        error.problem_type(),
        ProblemType::SignatureVerificationFailed
    );
}

/// The order of P-256 less `s`.
fn negated(s: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63,
        0x25, 0x51,
    ];
    let mut difference = ORDER.to_vec();
    let mut borrow = false;
    for (digit, subtrahend) in difference.iter_mut().zip(s).rev() {
        let (less, first) = digit.overflowing_sub(*subtrahend);
        let (less, second) = less.overflowing_sub(u8::from(borrow));
        (*digit, borrow) = (less, first || second);
    }
    difference
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
