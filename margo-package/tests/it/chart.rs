//! Packaged charts, with subcharts in both forms.

use std::path::Path;

use margo_package::Blame;
use margo_package::archive::{ArchiveError, Limit, Limits};
use margo_package::chart::{Chart, ChartError, ChartRule, ChartType};

use crate::support::{Tar, write_tree};

const METADATA: &str = "
apiVersion: v2
name: press
version: 1.2.0+b7
type: application
appVersion: 1.16
dependencies:
  - name: store
    version: ~2.1
    repository: oci://registry.example/charts
";

fn read(tar: Tar) -> Result<Chart, ChartError> {
    Chart::read(&*tar.tar_gz(), Chart::default_limits())
}

fn chart(name: &str) -> Tar {
    let metadata = format!("{{apiVersion: v2, name: {name}, version: 1.0.0}}");
    Tar::new().file(&format!("{name}/Chart.yaml"), metadata)
}

#[test]
fn metadata() {
    let chart = read(
        Tar::new()
            .file("press/Chart.yaml", METADATA)
            .file("press/values.schema.json", "{}"),
    )
    .unwrap();
    assert_eq!(chart.directory, "press");
    assert_eq!(chart.metadata.name, "press");
    assert_eq!(chart.metadata.version, "1.2.0+b7");
    assert_eq!(chart.metadata.revision(), "1.2.0_b7");
    assert_eq!(chart.metadata.chart_type, ChartType::Application);
    assert_eq!(chart.metadata.app_version.as_deref(), Some("1.16"));
    assert_eq!(
        chart.metadata.dependencies[0].version.as_deref(),
        Some("~2.1")
    );
    assert!(chart.has_values_schema);
    assert!(chart.findings.is_empty() && chart.subcharts.is_empty());
}

#[test]
fn what_schemas_refer_to() {
    let with = |schema: &str| read(chart("c").file("c/values.schema.json", schema));
    for (schema, expected) in [
        ("", &[][..]),
        ("\u{feff}{}", &[]),
        (
            r##"{"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"$ref": "#/a"}]}"##,
            &[],
        ),
        (r#"{"properties": {"$ref": {"type": "string"}}}"#, &[]),
        (
            r#"{"allOf": [{"$ref": "http://a.example/b.json#/c"}]}"#,
            &["http://a.example/b.json#/c"],
        ),
        (
            r#"{"not": {"$dynamicRef": "b.json"}, "$ref": "file:///c"}"#,
            &["file:///c", "b.json"],
        ),
        (
            r#"{"$schema": "http://a.example/draft"}"#,
            &["http://a.example/draft"],
        ),
    ] {
        let mut found = with(schema).unwrap().schema_references;
        found.sort();
        let mut expected: Vec<&str> = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{schema}");
    }
    for schema in ["{", "\"\\ud800\"", "{} {}"] {
        let error = with(schema).unwrap_err();
        assert!(
            matches!(error, ChartError::Schema { ref file, .. } if file == "c/values.schema.json"),
            "{schema}"
        );
        assert_eq!(error.blame(), Blame::Content);
    }
}

#[test]
fn what_is_no_chart() {
    let with = |metadata: &str| read(Tar::new().file("c/Chart.yaml", metadata)).unwrap_err();
    assert!(
        matches!(with("{apiVersion: v1, name: c, version: 1.0.0}"), ChartError::ApiVersion { found, .. } if found == "v1")
    );
    assert!(matches!(
        with("{name: c, version: 1.0.0}"),
        ChartError::Metadata {
            member: "apiVersion",
            ..
        }
    ));
    assert!(matches!(
        with("{apiVersion: v2, version: 1.0.0}"),
        ChartError::Metadata { member: "name", .. }
    ));
    assert!(matches!(
        with("{apiVersion: v2, name: c}"),
        ChartError::Metadata {
            member: "version",
            ..
        }
    ));
    assert!(matches!(
        with("{apiVersion: v2, name: c, version: 1.0.0, dependencies: 1}"),
        ChartError::Metadata { .. }
    ));
    assert!(matches!(with("{"), ChartError::Yaml { .. }));
    assert!(matches!(with("[]"), ChartError::Metadata { .. }));
    let missing = read(Tar::new().file("c/values.yaml", "")).unwrap_err();
    assert!(matches!(&missing, ChartError::NoMetadata(directory) if directory == "c"));
    assert_eq!(missing.blame(), Blame::Content);
    assert!(matches!(
        read(Tar::new().file("Chart.yaml", METADATA)),
        Err(ChartError::Archive(_))
    ));
    assert!(matches!(
        read(chart("c").symlink("c/l", "Chart.yaml")),
        Err(ChartError::Archive(_))
    ));
}

#[test]
fn findings_have_file_and_line() {
    let store = chart("store")
        .file(
            "store/templates/a.yaml",
            "\n{{ lookup \"v1\" \"Pod\" \"\" \"\" }}",
        )
        .tar_gz();
    let tar = chart("press")
        .file(
            "press/templates/job.yaml",
            "metadata:\n  annotations:\n    helm.sh/hook: pre-install\n",
        )
        .file(
            "press/templates/_lib.tpl",
            "{{ define \"x\" }}\n{{ lookup \"v1\" \"Pod\" \"\" \"\" }}{{ end }}",
        )
        .file(
            "press/templates/NOTES.txt",
            "helm.sh/hook: is not used\n{{ lookup 1 }}",
        )
        .file(
            "press/templates/sub/crd.yaml",
            "kind: CustomResourceDefinition",
        )
        .file("press/crds/press.yaml", "kind: CustomResourceDefinition")
        .file(
            "press/values.yaml",
            "lookup: \"{{ lookup }}\"\n# {{ lookup }}\n",
        )
        .file("press/README.md", "{{ lookup }}")
        .file(
            "press/charts/gauge/Chart.yaml",
            "{apiVersion: v2, name: gauge, version: 1.0.0, type: library}",
        )
        .file(
            "press/charts/gauge/templates/a.yaml",
            "{{ if .Capabilities.APIVersions.Has \"batch/v1\" }}",
        )
        .file("press/charts/_ignored/templates/a.yaml", "{{ lookup }}")
        .file("press/charts/README.md", "")
        .file("press/charts/store-1.0.0.tgz", store);
    let chart = read(tar).unwrap();
    let found: Vec<_> = chart
        .all()
        .into_iter()
        .flat_map(|chart| &chart.findings)
        .map(|finding| (finding.file.as_str(), finding.line, finding.rule))
        .collect();
    let expected = [
        ("press/crds/press.yaml", 0, ChartRule::CrdDirectory),
        ("press/templates/NOTES.txt", 2, ChartRule::Lookup),
        ("press/templates/_lib.tpl", 2, ChartRule::Lookup),
        ("press/templates/job.yaml", 3, ChartRule::Hook),
        ("press/templates/sub/crd.yaml", 1, ChartRule::CrdTemplate),
        ("press/values.yaml", 1, ChartRule::Lookup),
        (
            "press/charts/store-1.0.0.tgz/store/templates/a.yaml",
            2,
            ChartRule::Lookup,
        ),
    ];
    assert_eq!(found, expected);
    assert_eq!(
        chart.findings[1].to_string(),
        "press/templates/NOTES.txt:2: uses the template function lookup; take the value from a parameter"
    );

    let names: Vec<_> = chart
        .all()
        .into_iter()
        .map(|chart| chart.directory.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "press",
            "press/charts/store-1.0.0.tgz/store",
            "press/charts/gauge"
        ]
    );
    let gauge = &chart.subcharts[1];
    assert_eq!(gauge.metadata.chart_type, ChartType::Library);
    assert_eq!(gauge.capability_checks[0].api.as_deref(), Some("batch/v1"));
}

#[test]
fn subcharts_are_charts() {
    let tar = chart("press").file("press/charts/gauge/templates/a.yaml", "");
    assert!(
        matches!(read(tar), Err(ChartError::NoMetadata(directory)) if directory == "press/charts/gauge")
    );
    // Nothing hides below a directory that is no chart.
    let tar = chart("press").file(
        "press/charts/a/charts/b/Chart.yaml",
        "{apiVersion: v2, name: b, version: 1.0.0}",
    );
    assert!(
        matches!(read(tar), Err(ChartError::NoMetadata(directory)) if directory == "press/charts/a")
    );

    let tar = chart("press").file("press/charts/bad.tgz", "garbage");
    let error = read(tar).unwrap_err();
    assert!(matches!(&error, ChartError::Nested { file, .. } if file == "press/charts/bad.tgz"));
    assert_eq!(error.blame(), Blame::Content);
}

#[test]
fn packed_charts_share_the_limits() {
    let nested = (0..6).fold(chart("c").tar_gz(), |inner, _| {
        chart("c").file("c/charts/c.tgz", inner).tar_gz()
    });
    let mut error = Chart::read(&*nested, Chart::default_limits()).unwrap_err();
    while let ChartError::Nested { source, .. } = error {
        error = *source;
    }
    assert!(
        matches!(error, ChartError::TooManyCharts { .. }),
        "{error:?}"
    );

    let many = (0..70).fold(chart("c"), |tar, n| {
        tar.file(&format!("c/charts/{n}.tgz"), chart("s").tar_gz())
    });
    assert!(matches!(read(many), Err(ChartError::TooManyCharts { .. })));

    // Each of them is small enough alone.
    let mut limits = Limits::default();
    limits.max_unpacked_bytes = 1 << 20;
    let big = chart("s").file("s/big", vec![0; 400 << 10]).tar_gz();
    let two = |n| {
        (0..n)
            .fold(chart("c"), |tar, n| {
                tar.file(&format!("c/charts/{n}.tgz"), &big)
            })
            .tar_gz()
    };
    Chart::read(&*two(2), limits).unwrap();
    let error = Chart::read(&*two(3), limits).unwrap_err();
    let ChartError::Nested { source, .. } = error else {
        panic!("{error:?}")
    };
    assert!(matches!(
        *source,
        ChartError::Archive(ArchiveError::OverLimit {
            limit: Limit::UnpackedBytes(_),
            ..
        })
    ));
}

#[test]
fn a_packed_directory_is_a_chart_and_always_the_same() {
    let place = tempfile::tempdir().unwrap();
    let (one, two) = (place.path().join("one"), place.path().join("two"));
    let files = [("templates/a.yaml", "kind: Pod"), ("Chart.yaml", METADATA)];
    write_tree(&one, &files);
    write_tree(&two, &[files[1], files[0]]);
    let packed = pack(&one).unwrap();
    assert_eq!(pack(&two).unwrap(), packed);
    let chart = Chart::read(&*packed, Chart::default_limits()).unwrap();
    assert_eq!(chart.directory, "press", "called like the chart");
}

#[test]
fn what_is_not_packed_as_a_chart() {
    let with = |metadata: &str| {
        let place = tempfile::tempdir().unwrap();
        write_tree(place.path(), &[("Chart.yaml", metadata)]);
        pack(place.path()).unwrap_err()
    };
    for name in ["a/b", "..", "/a"] {
        let error = with(&format!("{{apiVersion: v2, name: {name}, version: 1.0.0}}"));
        assert!(matches!(error, ChartError::Build(_)), "{error:?}");
    }
    assert!(matches!(with("{"), ChartError::Yaml { .. }));
    let empty = tempfile::tempdir().unwrap();
    let missing = pack(empty.path()).unwrap_err();
    assert!(matches!(missing, ChartError::NoMetadata(_)), "{missing:?}");
}

#[cfg(unix)]
#[test]
fn links_are_not_packed() {
    let place = tempfile::tempdir().unwrap();
    write_tree(place.path(), &[("Chart.yaml", METADATA)]);
    std::os::unix::fs::symlink("Chart.yaml", place.path().join("link")).unwrap();
    let error = pack(place.path()).unwrap_err();
    assert!(matches!(error, ChartError::Build(_)), "{error:?}");
    assert_eq!(error.blame(), Blame::Caller);
}

fn pack(directory: &Path) -> Result<Vec<u8>, ChartError> {
    let mut packed = Vec::new();
    margo_package::chart::pack(directory, &mut packed)?;
    Ok(packed)
}
