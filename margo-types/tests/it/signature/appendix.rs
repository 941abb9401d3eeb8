//! RFC 9421, appendix B: the keys of B.1 and the signatures of B.2 and B.3.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use margo_types::auth::{RequestParts, SignatureAlgorithm, SignatureParams, signature_base};
use margo_types::signature::{Signer as _, SigningKey, VerifyError, VerifyingKey};

#[test]
fn b21_minimal_rsa_pss_sha512() {
    Vector {
        params: r#"();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd""#,
        signature: "d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==",
    }
    .check(RSA, &SignatureAlgorithm::RsaPssSha512);
}

#[test]
fn b22_selective_rsa_pss_sha512() {
    Vector {
        params: r#"("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example""#,
        signature: "LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==",
    }
    .check(RSA, &SignatureAlgorithm::RsaPssSha512);
}

#[test]
fn b23_full_rsa_pss_sha512() {
    Vector {
        params: r#"("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss""#,
        signature: "bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==",
    }
    .check(RSA, &SignatureAlgorithm::RsaPssSha512);
}

#[test]
fn b24_ecdsa_p256_sha256_of_a_response() {
    // Margo signs no responses, so there is only the base.
    let base = r#""@status": 200
"content-type": application/json
"content-digest": sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:
"content-length": 23
"@signature-params": ("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256""#;
    let signature = decode(
        "wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==",
    );
    let algorithm = SignatureAlgorithm::EcdsaP256Sha256;
    public(P256)
        .verify(&algorithm, base.as_bytes(), &signature)
        .unwrap();
}

#[test]
fn b26_ed25519() {
    let vector = Vector {
        params: r#"("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#,
        signature: "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==",
    };
    vector.check(ED25519, &SignatureAlgorithm::Ed25519);

    let key = SigningKey::from_pem(
        b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n-----END PRIVATE KEY-----",
    )
    .unwrap();
    assert_eq!(key.public(), &public(ED25519));
    assert_eq!(
        key.sign(vector.base().as_bytes()).unwrap(),
        decode(vector.signature)
    );
}

#[test]
fn the_key_of_b13_is_read_as_sec1() {
    let key = SigningKey::from_pem(
        b"-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIFKbhfNZfpDsW43+0+JjUr9K+bTeuxopu653+hBaXGA7oAoGCCqGSM49
AwEHoUQDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lfw0EkjqF7xB4FivAxzic30tMM
4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==
-----END EC PRIVATE KEY-----",
    )
    .unwrap();
    assert_eq!(key.public(), &public(P256));
}

struct Vector {
    params: &'static str,
    signature: &'static str,
}

impl Vector {
    fn check(&self, key: &str, algorithm: &SignatureAlgorithm) {
        let (key, base, mut signature) = (public(key), self.base(), decode(self.signature));
        key.verify(algorithm, base.as_bytes(), &signature).unwrap();
        signature[7] ^= 1;
        assert_eq!(
            key.verify(algorithm, base.as_bytes(), &signature),
            Err(VerifyError::Mismatch)
        );
    }

    fn base(&self) -> String {
        let request = RequestParts::new(
            "POST",
            "https://example.com/foo?param=Value&Pet=dog",
            |name| {
                let headers = HEADERS.iter().filter(|(known, _)| *known == name);
                headers.map(|(_, value)| value.as_bytes()).collect()
            },
        );
        signature_base(&request, &self.params.parse::<SignatureParams>().unwrap()).unwrap()
    }
}

fn public(spki: &str) -> VerifyingKey {
    VerifyingKey::from_spki_der(&decode(spki)).unwrap()
}

pub(super) fn decode(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}

/// The message of B.2.
const HEADERS: [(&str, &str); 4] = [
    ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
    ("content-type", "application/json"),
    (
        "content-digest",
        "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
    ),
    ("content-length", "18"),
];

/// B.1.2
const RSA: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHqgDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5WUtzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI2wIDAQAB";
/// B.1.3
pub(super) const P256: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lfw0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==";
/// B.1.4
const ED25519: &str = "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=";
