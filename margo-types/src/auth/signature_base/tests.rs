use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;

type Headers<'a> = &'a [(&'a str, &'a str)];

const TARGET: &str = "https://wfm.example.test/api/v1/clients/c-01/capabilities";
const DIGEST: &str = "sha-256=:FTAT49pXRF+/Snmu0qFNQC8pprn1lBVPHI71uXQQ184=:";

/// The signature base of a request, with `params` as they stand after the label.
fn base(
    method: &str,
    target_uri: &str,
    headers: Headers<'_>,
    params: &str,
) -> Result<String, SignatureBaseError> {
    let request = RequestParts::new(method, target_uri, |name| lookup(headers, name));
    signature_base(&request, &params.parse().unwrap())
}

fn lookup<'h>(headers: Headers<'h>, wanted: &str) -> Vec<&'h [u8]> {
    headers
        .iter()
        .filter(|(name, _)| *name == wanted)
        .map(|(_, value)| value.as_bytes())
        .collect()
}

/// The value of a single component.
fn value_of(
    component: &str,
    target_uri: &str,
    headers: Headers<'_>,
) -> Result<String, SignatureBaseError> {
    let base = base("GET", target_uri, headers, &format!("({component})"))?;
    let first_line = base.lines().next().unwrap();
    Ok(first_line
        .strip_prefix(&format!("{component}: "))
        .unwrap()
        .to_owned())
}

fn sha256_hex(text: &str) -> String {
    let digits = Sha256::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>();
    digits.concat()
}

mod worked_bytes {
    use super::*;

    #[test]
    fn post_with_a_body() {
        let base = base(
            "POST",
            TARGET,
            &[("content-digest", DIGEST)],
            r#"("@method" "@target-uri" "content-digest");created=1735689600;keyid="c-01""#,
        )
        .unwrap();
        assert_eq!(
            base,
            r#""@method": POST
"@target-uri": https://wfm.example.test/api/v1/clients/c-01/capabilities
"content-digest": sha-256=:FTAT49pXRF+/Snmu0qFNQC8pprn1lBVPHI71uXQQ184=:
"@signature-params": ("@method" "@target-uri" "content-digest");created=1735689600;keyid="c-01""#
        );
        assert_eq!(base.len(), 257);
        assert_eq!(
            sha256_hex(&base),
            "1489c42ad4e2dd19bc8dd4e37a5676634b3ee78b0a1165c91217f0a8de7d7cbf"
        );
    }

    #[test]
    fn get_without_a_body() {
        let base = base(
            "GET",
            "https://wfm.example.test/api/v1/clients/c-01/deployments",
            &[],
            r#"("@method" "@target-uri");created=1735689600;keyid="c-01""#,
        )
        .unwrap();
        assert_eq!(base.len(), 165);
        assert_eq!(
            sha256_hex(&base),
            "df58656f85bf881a6b25a86a9d3b27257f9cb0a286aea3b20cc27189d1398492"
        );
    }

    #[test]
    fn built_parameters_give_the_same_bytes_as_received_ones() {
        let built = SignatureParams::builder()
            .cover("@method")
            .cover("@target-uri")
            .created(1_735_689_600)
            .keyid("c-01")
            .build()
            .unwrap();
        let request = RequestParts::new("GET", TARGET, |_| vec![]);
        assert_eq!(
            signature_base(&request, &built),
            base(
                "GET",
                TARGET,
                &[],
                r#"("@method" "@target-uri");created=1735689600;keyid="c-01""#
            )
        );
    }

    #[test]
    fn capitals_of_the_template_are_looked_up_in_lower_case_and_signed_as_written() {
        // Contradiction 3.
        assert_eq!(
            base(
                "POST",
                TARGET,
                &[("content-digest", DIGEST)],
                r#"("Content-Digest");keyid="k""#
            )
            .unwrap(),
            format!(
                "\"Content-Digest\": {DIGEST}\n\"@signature-params\": (\"Content-Digest\");keyid=\"k\""
            )
        );
    }

    #[test]
    fn signature_params_repeat_the_received_bytes() {
        let params = r#"( "@method"  );keyid="k";  created=1;x=1.50"#;
        let base = base("GET", TARGET, &[], params).unwrap();
        assert_eq!(
            base,
            format!("\"@method\": GET\n\"@signature-params\": {params}")
        );
    }
}

/// RFC 9421, appendix B.2: bases of the message `test-request`.
mod rfc_9421_appendix_b2 {
    use super::*;

    const HEADERS: Headers<'static> = &[
        ("host", "example.com"),
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("content-type", "application/json"),
        (
            "content-digest",
            "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
        ),
        ("content-length", "18"),
    ];

    fn check(params: &str, lines: &str) {
        assert_eq!(
            base(
                "POST",
                "https://example.com/foo?param=Value&Pet=dog",
                HEADERS,
                params
            )
            .unwrap(),
            format!("{lines}\"@signature-params\": {params}")
        );
    }

    #[test]
    fn b21_minimal() {
        check(
            r#"();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd""#,
            "",
        );
    }

    #[test]
    fn b22_selective() {
        check(
            r#"("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example""#,
            r#""@authority": example.com
"content-digest": sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:
"@query-param";name="Pet": dog
"#,
        );
    }

    #[test]
    fn b23_full() {
        check(
            r#"("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss""#,
            r#""date": Tue, 20 Apr 2021 02:07:55 GMT
"@method": POST
"@path": /foo
"@query": ?param=Value&Pet=dog
"@authority": example.com
"content-type": application/json
"content-digest": sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:
"content-length": 18
"#,
        );
    }

    #[test]
    fn b24_covers_a_response_which_margo_never_signs() {
        let params = r#"("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256""#;
        assert_eq!(
            base("POST", "https://example.com/foo", HEADERS, params)
                .unwrap_err()
                .to_string(),
            "\"@status\" is not supported in a request; do not cover it"
        );
    }

    #[test]
    fn b25_hmac() {
        check(
            r#"("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#,
            r#""date": Tue, 20 Apr 2021 02:07:55 GMT
"@authority": example.com
"content-type": application/json
"#,
        );
    }

    #[test]
    fn b26_ed25519() {
        check(
            r#"("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#,
            r#""date": Tue, 20 Apr 2021 02:07:55 GMT
"@method": POST
"@path": /foo
"@authority": example.com
"content-type": application/json
"content-length": 18
"#,
        );
    }
}

/// RFC 9421, section 2.2.
mod derived_components {
    use super::*;

    #[test]
    fn parts_of_the_target() {
        let target = "HTTPS://WFM.Example.test:443/a%3Ab/C?x=1&Y=%20?";
        for (component, expected) in [
            (r#""@method""#, "GET"),
            (r#""@target-uri""#, target),
            (r#""@authority""#, "wfm.example.test"),
            (r#""@scheme""#, "https"),
            (r#""@request-target""#, "/a%3Ab/C?x=1&Y=%20?"),
            (r#""@path""#, "/a%3Ab/C"),
            (r#""@query""#, "?x=1&Y=%20?"),
        ] {
            assert_eq!(
                value_of(component, target, &[]).unwrap(),
                expected,
                "{component}"
            );
        }
    }

    #[test]
    fn empty_path_and_query() {
        assert_eq!(value_of(r#""@path""#, "https://h", &[]).unwrap(), "/");
        assert_eq!(value_of(r#""@path""#, "https://h?q", &[]).unwrap(), "/");
        assert_eq!(value_of(r#""@query""#, "https://h/p", &[]).unwrap(), "?");
        assert_eq!(value_of(r#""@query""#, "https://h/p?", &[]).unwrap(), "?");
        assert_eq!(
            value_of(r#""@request-target""#, "https://h?q", &[]).unwrap(),
            "/?q"
        );
        assert_eq!(
            value_of(r#""@request-target""#, "https://h/p", &[]).unwrap(),
            "/p"
        );
    }

    #[test]
    fn only_the_default_port_is_dropped() {
        for (target, expected) in [
            ("https://H:443/", "h"),
            ("http://h:80/", "h"),
            ("https://h:80/", "h:80"),
            ("https://h:8443/", "h:8443"),
            ("https://[2001:DB8::1]:443/", "[2001:db8::1]"),
            ("coap://h:443/", "h:443"),
        ] {
            assert_eq!(
                value_of(r#""@authority""#, target, &[]).unwrap(),
                expected,
                "{target}"
            );
        }
    }

    #[test]
    fn a_verbatim_authority_wins() {
        let request = RequestParts::new("GET", TARGET, |_| vec![]).with_authority("WFM:443");
        let params = r#"("@authority" "@target-uri")"#.parse().unwrap();
        let base = signature_base(&request, &params).unwrap();
        assert!(base.starts_with(&format!(
            "\"@authority\": WFM:443\n\"@target-uri\": {TARGET}\n"
        )));
    }

    #[test]
    fn query_parameters_of_section_2_2_8() {
        let target = "https://h/parameters?var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace&fa%C3%A7ade%22%3A%20=something&empty=&twice=1&twice=2";
        for (name, expected) in [
            ("var", "this%20is%20a%20big%0Amultiline%20value"),
            ("bar", "with%20plus%20whitespace"),
            ("fa%C3%A7ade%22%3A%20", "something"),
            ("empty", ""),
        ] {
            let component = format!(r#""@query-param";name="{name}""#);
            assert_eq!(
                value_of(&component, target, &[]).unwrap(),
                expected,
                "{name}"
            );
        }
        assert_eq!(
            value_of(r#""@query-param";name="absent""#, target, &[])
                .unwrap_err()
                .to_string(),
            r#"the request has no "@query-param";name="absent"; send it or do not cover it"#
        );
        assert!(matches!(
            value_of(r#""@query-param";name="twice""#, target, &[]),
            Err(SignatureBaseError::Value { .. })
        ));
    }

    #[test]
    fn unknown_components_and_parameters_are_refused() {
        for component in [
            r#""@signature-params""#,
            r#""@status""#,
            r#""@Method""#,
            r#""@new""#,
            r#""@method";req"#,
            r#""@method";sf"#,
            r#""@query-param""#,
            r#""@query-param";key="a""#,
            r#""@query-param";name="a";req"#,
            r#""a";req"#,
            r#""a";tr"#,
            r#""a";new"#,
            r#""a";name="a""#,
            r#""a";bs;sf"#,
            r#""a";sf"#,
        ] {
            assert_eq!(
                value_of(component, "https://h/?a=1", &[("a", "1")]),
                Err(SignatureBaseError::Unsupported {
                    component: component.to_owned()
                })
            );
        }
    }

    #[test]
    fn a_target_that_is_not_an_absolute_uri_is_refused() {
        for target in [
            "",
            "/path",
            "*",
            "https:///p",
            "https://:443/",
            "://h/p",
            "https://u@h/",
            "https://h/#f",
            "https://h/a b",
            "https://h/\n",
            "https://hä/",
            "https://h\\x/",
        ] {
            assert!(
                matches!(
                    value_of(r#""@target-uri""#, target, &[]),
                    Err(SignatureBaseError::Value { .. })
                ),
                "{target:?}"
            );
        }
    }

    #[test]
    fn a_line_cannot_be_smuggled_in() {
        let smuggled = "GET\n\"@path\": /admin";
        assert!(base(smuggled, TARGET, &[], r#"("@method")"#).is_err());
        let request = RequestParts::new("GET", TARGET, |_| vec![]).with_authority(smuggled);
        assert!(signature_base(&request, &r#"("@authority")"#.parse().unwrap()).is_err());
    }
}

/// RFC 9421, section 2.1.
mod headers {
    use super::*;

    #[test]
    fn lines_are_trimmed_and_joined() {
        let headers: Headers<'_> = &[
            ("cache-control", " max-age=60 \t"),
            ("x-empty", ""),
            ("cache-control", "   must-revalidate"),
        ];
        assert_eq!(
            base("GET", TARGET, headers, r#"("cache-control" "x-empty")"#).unwrap(),
            "\"cache-control\": max-age=60, must-revalidate\n\"x-empty\": \n\"@signature-params\": (\"cache-control\" \"x-empty\")"
        );
    }

    #[test]
    fn a_missing_header_is_named() {
        assert_eq!(
            value_of(r#""content-digest""#, TARGET, &[])
                .unwrap_err()
                .to_string(),
            r#"the request has no "content-digest"; send it or do not cover it"#
        );
    }

    #[test]
    fn line_breaks_are_refused_in_every_form() {
        for line in ["a\nb", "a\r\n b", "a\r", "\n"] {
            for component in [r#""a""#, r#""a";bs"#, r#""a";key="k""#] {
                assert_eq!(
                    value_of(component, TARGET, &[("a", line)])
                        .unwrap_err()
                        .to_string(),
                    format!(
                        "the value of {component} cannot be signed; send it without line breaks"
                    )
                );
            }
        }
    }

    #[test]
    fn text_outside_ascii_is_signed_only_as_bytes() {
        assert!(value_of(r#""a""#, TARGET, &[("a", "ü")]).is_err());
        assert!(value_of(r#""a""#, TARGET, &[("a", "\u{7f}")]).is_err());
        assert_eq!(
            value_of(r#""a";bs"#, TARGET, &[("a", "ü")]).unwrap(),
            ":w7w=:"
        );
    }

    #[test]
    fn byte_sequences_keep_lines_apart() {
        // RFC 9421, section 2.1.3.
        let lines = [
            ("example-header", "value, with, lots"),
            ("example-header", "of, commas"),
        ];
        assert_eq!(
            value_of(r#""example-header";bs"#, TARGET, &lines).unwrap(),
            ":dmFsdWUsIHdpdGgsIGxvdHM=:, :b2YsIGNvbW1hcw==:"
        );
    }

    #[test]
    fn members_of_a_dictionary() {
        // RFC 9421, section 2.1.2.
        let lines = [("example-dict", " a=1, b=2;x=1;y=2, c=(a   b    c), d")];
        for (key, expected) in [
            ("a", "1"),
            ("b", "2;x=1;y=2"),
            ("c", "(a b c)"),
            ("d", "?1"),
        ] {
            let component = format!(r#""example-dict";key="{key}""#);
            assert_eq!(value_of(&component, TARGET, &lines).unwrap(), expected);
            let strict = format!(r#""example-dict";sf;key="{key}""#);
            assert_eq!(value_of(&strict, TARGET, &lines).unwrap(), expected);
        }
        assert!(matches!(
            value_of(r#""example-dict";key="e""#, TARGET, &lines),
            Err(SignatureBaseError::Missing { .. })
        ));
        assert!(matches!(
            value_of(r#""a";key="e""#, TARGET, &[("a", "not;;a=dictionary")]),
            Err(SignatureBaseError::Value { .. })
        ));
    }

    #[test]
    fn strict_serialisation_normalises_known_dictionaries() {
        let lines = [
            ("content-digest", "  x=:AA==:,   y=:AQ==: "),
            ("content-digest", "z=:Ag==:"),
        ];
        assert_eq!(
            value_of(r#""content-digest";sf"#, TARGET, &lines).unwrap(),
            "x=:AA==:, y=:AQ==:, z=:Ag==:"
        );
    }
}

proptest! {
    #[test]
    fn arbitrary_requests_never_panic_and_never_gain_lines(
        method: String,
        target in "[a-z:/?#@%=&\n\u{e4}-]{0,30}",
        line: String,
    ) {
        let params = r#"("@method" "@target-uri" "@authority" "@query" "a" "a";bs)"#;
        if let Ok(base) = base(&method, &target, &[("a", &line)], params) {
            prop_assert_eq!(base.split('\n').count(), 7);
        }
    }

    #[test]
    fn every_single_component_survives_arbitrary_requests(target in "https?://[ -~]{0,30}", line in "[ -~]{0,30}") {
        for component in [
            r#""@authority""#, r#""@scheme""#, r#""@request-target""#, r#""@path""#, r#""@query""#,
            r#""@query-param";name="a""#, r#""a""#, r#""a";key="k""#, r#""a";bs"#,
        ] {
            if let Ok(value) = value_of(component, &target, &[("a", &line)]) {
                prop_assert!(value.is_ascii() && !value.contains('\n'));
            }
        }
    }
}
