use margo_package::oci::Reference;
use margo_types::Digest;

#[test]
fn every_part_is_read_and_written_back() {
    let digest = Digest::of(b"manifest");
    for (text, registry, repository, tag) in [
        ("registry.example/web", "registry.example", "web", None),
        (
            "registry.example:5000/apps/web:1.0.0_build.7",
            "registry.example:5000",
            "apps/web",
            Some("1.0.0_build.7"),
        ),
        (
            "[2001:db8::1]:5000/a/b/c:v1",
            "[2001:db8::1]:5000",
            "a/b/c",
            Some("v1"),
        ),
        ("[::1]/a", "[::1]", "a", None),
        (
            "127.0.0.1:80/a__b/c-d--e/f.g",
            "127.0.0.1:80",
            "a__b/c-d--e/f.g",
            None,
        ),
        ("localhost/x:_", "localhost", "x", Some("_")),
    ] {
        for suffix in [String::new(), format!("@{digest}")] {
            let text = format!("{text}{suffix}");
            let read = Reference::parse(&format!("oci://{text}")).expect(&text);
            assert_eq!(read.registry(), registry);
            assert_eq!(read.repository(), repository);
            assert_eq!(read.tag(), tag);
            assert_eq!(read.digest().is_some(), !suffix.is_empty());
            assert_eq!(read.to_string(), text);
        }
    }
}

#[test]
fn hosts_have_no_case() {
    let read = Reference::parse("Registry.EXAMPLE/web").expect("a reference");
    assert_eq!(read.registry(), "registry.example");
}

#[test]
fn what_is_no_reference_is_refused_with_a_fix() {
    let long = format!("registry.example/{}", "a".repeat(250));
    for (text, fix) in [
        ("web", "write registry.example/repository:tag"),
        ("/web", "the registry is not a host"),
        ("registry.example/", "the repository is not a path"),
        ("registry.example/Web", "lower-case"),
        ("registry.example/a//b", "the repository is not a path"),
        ("registry.example/a/../b", "the repository is not a path"),
        ("registry.example/a___b", "the repository is not a path"),
        ("registry.example/a..b", "the repository is not a path"),
        ("registry.example/-a", "the repository is not a path"),
        ("registry.example/a:1.0+build", "with '_' in place of '+'"),
        ("registry.example/a:", "the tag is not"),
        ("registry.example/a:.1", "the tag is not"),
        ("registry.example/a@sha256:12", "the digest is not"),
        ("registry.example/a@sha512:12", "the digest is not"),
        ("registry.example:0/a", "the registry is not a host"),
        ("registry.example:+80/a", "the registry is not a host"),
        ("registry.example:65536/a", "the registry is not a host"),
        ("user@registry.example/a", "the digest is not"),
        ("[::1/a", "the registry is not a host"),
        ("[registry.example]/a", "the registry is not a host"),
        ("::1/a", "the registry is not a host"),
        ("-registry.example/a", "the registry is not a host"),
        ("https://registry.example/a", "the registry is not a host"),
        (&long, "longer than 255"),
    ] {
        let error = Reference::parse(text).expect_err(text).to_string();
        assert!(error.contains(fix), "{text}: {error}");
    }
}

proptest::proptest! {
    #[test]
    fn what_is_read_is_written_back_and_nothing_panics(text in "[a-zA-Z0-9:/@._\\[\\]+-]{0,40}") {
        if let Ok(reference) = Reference::parse(&text) {
            let written = reference.to_string();
            proptest::prop_assert_eq!(Reference::parse(&written), Ok(reference));
        }
    }
}
