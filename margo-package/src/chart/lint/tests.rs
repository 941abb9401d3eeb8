use super::{Findings, calls_lookup};
use crate::chart::{ChartFinding, ChartRule};

fn search(source: &str) -> Findings {
    let mut findings = Findings::default();
    findings.search("t.yaml", source, false);
    findings
}

fn rules(source: &str) -> Vec<(usize, ChartRule)> {
    let found = search(source).forbidden.into_iter();
    found
        .map(|ChartFinding { line, rule, .. }| (line, rule))
        .collect()
}

#[test]
fn lookup_is_found_as_a_function_only() {
    use ChartRule::Lookup;
    assert_eq!(
        rules("a\n{{ $s := (lookup \"v1\" \"Secret\" .ns \"x\").data }}"),
        [(2, Lookup)]
    );
    assert_eq!(
        rules("{{ if and .a (not (lookup \"v1\" \"Pod\" \"\" \"\")) }}"),
        [(1, Lookup)]
    );
    assert_eq!(rules("{{ tpl \"{{ lookup 1 }}\" . }}"), [(1, Lookup)]);
    for innocent in [
        "lookup: true",
        "{{/* lookup \"v1\" */}}",
        "{{ .Values.lookup }}",
        "{{ $lookup := 1 }}{{ $lookup }}",
        "{{ include \"lookup\" . }}",
        "{{ printf `lookup` }}",
        "{{ lookupAll . }}",
    ] {
        assert_eq!(rules(innocent), [], "{innocent}");
    }
}

#[test]
fn tests_are_no_hooks_that_run_by_themselves() {
    for (source, has_hooks) in [
        ("helm.sh/hook: test", false),
        ("  \"helm.sh/hook\": \"test-success\"", false),
        ("annotations: {'helm.sh/hook' : test}", false),
        ("kind: ConfigMap", false),
        ("helm.sh/hook: test,post-install", true),
        ("helm.sh/hook: post-upgrade", true),
        ("helm.sh/hook: {{ .Values.phase }}", true),
        ("{{ set .a \"helm.sh/hook\" \"test\" }}", true),
    ] {
        assert_eq!(search(source).has_hooks, has_hooks, "{source}");
        let mut values = Findings::default();
        values.search_values("values.yaml", source);
        assert_eq!(values.has_hooks, has_hooks, "{source}");
    }
}

#[test]
fn lookup_is_found_in_values() {
    let values = "# {{ lookup 1 }}\nlookup: true\nrun: |\n  a\n  {{ lookup \"v1\" }}\nhook: 'helm.sh/hook: test'\n";
    let mut findings = Findings::default();
    findings.search_values("values.yaml", values);
    let found: Vec<String> = findings.forbidden.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("values.yaml:5: uses the template function lookup"));
    assert!(calls_lookup("a {{ lookup 1 }}"));
    assert!(!calls_lookup("lookup {{ .lookup }}"));
}

#[test]
fn hooks_are_found_as_annotations_only() {
    use ChartRule::Hook;
    assert_eq!(
        rules("metadata:\n  annotations:\n    \"helm.sh/hook\": pre-install"),
        [(3, Hook)]
    );
    assert_eq!(rules("helm.sh/hook: test"), [(1, Hook)]);
    assert_eq!(rules("annotations: {'helm.sh/hook' : test}"), [(1, Hook)]);
    assert_eq!(rules("{{ set .a \"helm.sh/hook\" \"test\" }}"), [(1, Hook)]);
    assert_eq!(rules("{{ \"helm.sh/hook\" }}: test"), [(1, Hook)]);
    for innocent in [
        "# helm.sh/hook: test",
        "a: b # helm.sh/hook: test",
        "helm.sh/hook-weight: \"1\"",
        "note: see helm.sh/hook for more",
        "{{/* \"helm.sh/hook\": test */}}",
    ] {
        assert_eq!(rules(innocent), [], "{innocent}");
    }
}

#[test]
fn definitions_of_resources_are_found() {
    use ChartRule::CrdTemplate;
    assert_eq!(rules("kind: CustomResourceDefinition"), [(1, CrdTemplate)]);
    assert_eq!(
        rules("a: 1\n  kind:   \"CustomResourceDefinition\" # x"),
        [(2, CrdTemplate)]
    );
    assert_eq!(
        rules("kind: {{ \"CustomResourceDefinition\" }}"),
        [(1, CrdTemplate)]
    );
    assert_eq!(rules("#kind: CustomResourceDefinition"), []);
    assert_eq!(rules("kind: CustomResourceDefinitionList2"), []);
    assert_eq!(rules("subkind: CustomResourceDefinition"), []);
}

#[test]
fn capability_checks_are_listed_with_their_argument() {
    let source = "{{ if .Capabilities.APIVersions.Has \"policy/v1\" }}\n\
                  {{ if $.Capabilities.APIVersions.Has (printf \"%s\" .x) }}\n\
                  {{ \"batch/v1\" | .Capabilities.APIVersions.Has }}\n\
                  {{/* .Capabilities.APIVersions.Has \"no/v1\" */}}";
    let found: Vec<_> = search(source)
        .capability_checks
        .into_iter()
        .map(|check| (check.line, check.api))
        .collect();
    let expected = [
        (1, Some("policy/v1".to_owned())),
        (2, None),
        (3, Some("batch/v1".to_owned())),
    ];
    assert_eq!(found, expected);
}
