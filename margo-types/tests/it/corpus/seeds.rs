//! Seeds that only a key can make. They are written when `WRITE_SEEDS` is set.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use margo_conformance::authority::{Authority, Lifetime};
use margo_types::auth::RequestParts;
use margo_types::id::{ClientId, SpiffeId, TrustDomain};
use margo_types::signature::{Profile, Signing, SigningKey};

#[test]
fn seeds_are_written_on_demand() {
    if std::env::var_os("WRITE_SEEDS").is_some() {
        write_signed();
        write_certificates();
    }
}

/// Requests as a client sends them, for `verify`.
fn write_signed() {
    let now = Timestamp::from_second(1_735_689_600).unwrap();
    let target = "https://wfm.example/api/v1/clients/c-01/capabilities";
    let keys = folder("tests/it/signature/keys");
    for (name, key, profile, tolerances, method, body) in [
        ("p256", "p256", Profile::COMMON, "", "POST", "body"),
        ("p384", "p384", Profile::SANDBOX_9421_2026, "", "PUT", "{}"),
        ("ed25519", "ed25519", Profile::COMMON, "", "GET", ""),
        ("rsa", "rsa", Profile::COMMON, "", "POST", "body"),
        (
            "symphony",
            "p256",
            Profile::SYMPHONY_2025_12,
            " digest-not-covered",
            "POST",
            "body",
        ),
    ] {
        let pem = fs::read(keys.join(key).with_extension("pem")).unwrap();
        let signer = SigningKey::from_pem(&pem).unwrap();
        let request = RequestParts::new(method, target, |_| vec![]);
        let signing = Signing::new(&signer, now).profile(profile).nonce("n-1");
        let headers = signing.sign(&request, body.as_bytes()).unwrap();
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\n"))
            .collect();
        let seed = format!(
            "{key} {} 0.0.0{tolerances}\n{method} {target}\n{}\n{body}",
            profile.name,
            headers.concat()
        );
        let path = folder("fuzz/corpus/verify").join(format!("signed-{name}"));
        fs::write(path, seed).unwrap();
    }
}

/// What an authority issued once, for `svid`.
fn write_certificates() {
    let domain = TrustDomain::parse("factory.example").unwrap();
    let client = ClientId::parse("client-1").unwrap();
    let client = SpiffeId::wfm_client(&domain, "wfm-1", &client).unwrap();
    let wfm = SpiffeId::wfm(&domain, "wfm-1").unwrap();
    let time = |text: &str| text.parse::<Timestamp>().unwrap();
    let long = Lifetime::between(time("2026-01-01T00:00:00Z"), time("2036-01-01T00:00:00Z"));
    let over = Lifetime::between(time("2025-01-01T00:00:00Z"), time("2025-01-02T00:00:00Z"));

    let root = Authority::new(&domain);
    let intermediate = root.intermediate("line 4");
    let behind = intermediate.issue(&client, long).certificates();
    let issued = root.issue(&client, long);
    let leaf = issued.certificates().remove(0);
    let corpus = folder("fuzz/corpus/svid");
    for (path, parts) in [
        ("fuzz/svid/root.der", vec![root.anchor().as_der()]),
        ("fuzz/svid/client.der", vec![&*leaf]),
        (
            "fuzz/svid/wfm.der",
            vec![&*root.issue(&wfm, long).certificates()[0]],
        ),
        ("fuzz/svid/behind.der", vec![&*behind[0]]),
        (
            "fuzz/corpus/svid/over",
            vec![&*root.issue(&client, over).certificates()[0]],
        ),
        (
            "fuzz/corpus/svid/with-intermediate",
            vec![&*behind[0], &*behind[1]],
        ),
        ("fuzz/corpus/svid/without-intermediate", vec![&*behind[0]]),
        (
            "fuzz/corpus/svid/authority",
            vec![root.anchor().as_der()],
        ),
        (
            "fuzz/corpus/svid/files",
            vec![issued.chain_pem.as_bytes(), issued.key_pem.as_bytes()],
        ),
    ] {
        let bytes = parts.join(super::fuzz::SEPARATOR);
        fs::write(folder("").join(path), bytes).unwrap();
    }
    for name in ["client", "wfm"] {
        let issued = folder("fuzz/svid").join(name).with_extension("der");
        fs::copy(issued, corpus.join(name)).unwrap();
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
