//! Signed requests as a whole: headers, body, key and policy.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use margo_types::auth::{RequestParts, Signatures};
use margo_types::signature::{
    Policy, Profile, Signing, SigningKey, Tolerance, VerifiedSignature, VerifyError,
    verify as check,
};

/// A request in lines, with the settings it is verified with in the first:
///
/// ```text
/// p256 common 1.3.5 digest-not-covered
/// POST https://wfm.example/api/v1/clients/c-01/capabilities
/// content-type: application/json
///
/// {"a": 1}
/// ```
///
/// These are the key, the profile to sign with, what to change afterwards (which covered part, which byte, which bit) and
/// what is tolerated. A request with a `signature` is verified as it is. Any other is signed first: what our signer
/// signs verifies, and with one covered bit changed it does not.
pub fn verify(bytes: &[u8]) {
    let Some((settings, request)) = Settings::read(bytes) else {
        return;
    };
    if request.lines("signature").is_empty() {
        signed(&settings, &request);
    } else {
        received(&settings, &request);
    }
}

/// Whether the signature of a request is right.
pub fn is_verified(bytes: &[u8]) -> bool {
    Settings::read(bytes).is_some_and(|(settings, request)| {
        let proof = request.verify(settings.key, &settings.policy, now());
        proof.is_ok()
    })
}

/// A request that somebody else signed, or says so.
fn received(settings: &Settings, request: &Request) {
    let (key, policy) = (&settings.key, &settings.policy);
    let proof = match request.verify(key, policy, now()) {
        Ok(proof) => proof,
        Err(error) => {
            assert!(matches!(error.status(), 400 | 401));
            assert!(!error.to_string().is_empty());
            // A stricter policy takes no more.
            assert!(request.verify(key, &Policy::default(), now()).is_err());
            return;
        }
    };
    let tolerates = |tolerance| policy.tolerances.contains(&tolerance);
    let covers = |component| proof.params().covers(component);
    assert!(covers("@method"));
    assert!(covers("@target-uri") || tolerates(Tolerance::TargetUriNotCovered));
    if !request.body.is_empty() {
        assert!(covers("content-digest") || tolerates(Tolerance::DigestNotCovered));
    }
    assert!(policy.labels.contains(proof.label()) || tolerates(Tolerance::AnyLabel));
    let age = now().duration_since(proof.created());
    assert!(age <= SignedDuration::from_mins(5) && age >= SignedDuration::from_mins(-1));
    assert!(proof.replayable_until() >= now());

    let over = proof.replayable_until() + SignedDuration::from_secs(1);
    assert!(request.verify(key, policy, over).is_err(), "it never ends");
    for other in KEYS.iter().filter(|it| it.public() != key.public()) {
        assert!(
            request.verify(other, policy, now()).is_err(),
            "any key will do"
        );
    }
    if !request.body.is_empty() {
        let mut altered = request.clone();
        altered.body[0] ^= 1;
        assert!(
            altered.verify(key, policy, now()).is_err(),
            "any body will do"
        );
    }
}

/// A request that we sign.
fn signed(settings: &Settings, request: &Request) {
    let (key, profile) = (settings.key, settings.profile);
    let policy = profile.tolerances.iter().copied();
    let policy = policy.fold(settings.policy.clone(), Policy::tolerating);
    let signing = Signing::new(key, now()).profile(profile);
    let parts = RequestParts::new(&request.method, &request.target, |name| request.lines(name));
    let Ok(headers) = signing.sign(&parts, &request.body) else {
        return;
    };
    let mut request = request.clone();
    for (name, value) in headers.iter() {
        request.headers.retain(|(known, _)| known != name);
        request.headers.push((name.to_owned(), value.into()));
    }
    let proof = request.verify(key, &policy, now());
    let proof = proof.unwrap_or_else(|error| panic!("what we sign does not verify: {error}"));
    assert_eq!(proof.keyid(), Some(key.public().id()));
    let again = request.verify(key, &policy, now()).expect("as before");
    assert_eq!(again.replay_key(), proof.replay_key());
    if let Some(altered) = settings.alter(&request) {
        match altered.verify(key, &policy, now()) {
            Err(_) => {}
            // Bits of base64 that mean nothing: it is the very same signature.
            Ok(same) => assert!(
                settings.place % 5 == 4 && same.signature() == proof.signature(),
                "one changed bit goes unnoticed"
            ),
        }
    }
}

struct Settings {
    key: &'static SigningKey,
    profile: Profile,
    place: usize,
    at: usize,
    bit: usize,
    policy: Policy,
}

impl Settings {
    fn read(bytes: &[u8]) -> Option<(Self, Request)> {
        let (first, rest) = line(bytes);
        let mut words = first.split(' ');
        let key = &KEYS[match words.next()? {
            "p256" => 0,
            "p384" => 1,
            "ed25519" => 2,
            "rsa" => 3,
            _ => return None,
        }];
        let profile = Profile::named(words.next()?)?;
        let mut numbers = words.next()?.split('.').map(|word| word.parse().ok());
        let settings = Self {
            key,
            profile,
            place: numbers.next()??,
            at: numbers.next()??,
            bit: numbers.next()??,
            policy: words
                .map_while(|word| word.parse().ok())
                .fold(Policy::default(), Policy::tolerating),
        };
        Some((settings, Request::read(rest)?))
    }

    /// The request with one bit changed of something that the signature covers, or of the signature.
    fn alter(&self, request: &Request) -> Option<Request> {
        let mut altered = request.clone();
        let header = |name: &str| request.headers.iter().position(|(known, _)| known == name);
        let mut method = altered.method.into_bytes();
        let mut target = altered.target.into_bytes();
        let bytes = match self.place % 5 {
            0 => &mut method,
            1 => &mut target,
            2 => &mut altered.body,
            3 if self.profile.covers_digest => &mut altered.headers[header("content-digest")?].1,
            3 => return None,
            _ => &mut altered.headers[header("signature")?].1,
        };
        let at = self.at.checked_rem(bytes.len())?;
        bytes[at] ^= 1 << (self.bit % 8);
        altered.method = String::from_utf8(method).ok()?;
        altered.target = String::from_utf8(target).ok()?;
        Some(altered)
    }
}

#[derive(Clone)]
struct Request {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Request {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (first, mut rest) = line(bytes);
        let (method, target) = first.split_once(' ')?;
        let mut headers = Vec::new();
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == b'\n');
            let (header, after) = rest.split_at(end.unwrap_or(rest.len()));
            rest = after.get(1..).unwrap_or_default();
            if header.is_empty() {
                break;
            }
            let colon = header.iter().position(|byte| *byte == b':')?;
            let name = std::str::from_utf8(&header[..colon]).ok()?;
            headers.push((
                name.to_ascii_lowercase(),
                header[colon + 1..].trim_ascii().to_vec(),
            ));
        }
        Some(Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers,
            body: rest.to_vec(),
        })
    }

    fn lines(&self, name: &str) -> Vec<&[u8]> {
        let lines = self.headers.iter().filter(|(known, _)| known == name);
        lines.map(|(_, value)| value.as_slice()).collect()
    }

    fn verify(
        &self,
        key: &SigningKey,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<VerifiedSignature, VerifyError> {
        let parts = RequestParts::new(&self.method, &self.target, |name| self.lines(name));
        // Whatever it says of the headers, it says again of what it wrote.
        for header in self.lines("signature") {
            if let Ok(signatures) = Signatures::parse(header) {
                assert!(Signatures::parse(signatures.to_string()).is_ok());
            }
        }
        check(&parts, &self.body, key.public(), policy, now)
    }
}

/// The first line as text, and what follows it.
fn line(bytes: &[u8]) -> (&str, &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (line, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
    let rest = rest.get(1..).unwrap_or_default();
    (std::str::from_utf8(line).unwrap_or_default(), rest)
}

/// 2025-01-01T00:00:00Z
pub(super) fn now() -> Timestamp {
    Timestamp::from_second(1_735_689_600).expect("a time")
}

/// In the order of [`Settings::read`].
pub(super) static KEYS: LazyLock<[SigningKey; 4]> = LazyLock::new(|| {
    let pem: [&[u8]; 4] = [
        include_bytes!("../../tests/it/signature/keys/p256.pem"),
        include_bytes!("../../tests/it/signature/keys/p384.pem"),
        include_bytes!("../../tests/it/signature/keys/ed25519.pem"),
        include_bytes!("../../tests/it/signature/keys/rsa.pem"),
    ];
    pem.map(|pem| SigningKey::from_pem(pem).expect("a key"))
});
