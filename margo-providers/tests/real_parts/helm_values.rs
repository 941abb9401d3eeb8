//! Pointers mean what they mean to `helm --set`: the same paths with the same values, through the provider and on Helm's own
//! command line.

use std::process::Command;

use libtest_mimic::Trial;
use margo_package::chart::read_rendered;
use margo_providers::Trouble;
use margo_providers::helm::Mode;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::helm_trial;
use crate::helm_world::{HelmWorld, ID, template_mode};

pub(crate) fn add(trials: &mut Vec<Trial>) {
    trials.extend([
        helm_trial("helm_pointers_mean_what_they_mean_to_helm", paths),
        helm_trial("helm_numbers_are_written_as_they_are_given", numbers),
        helm_trial("helm_values_have_bounds", bounds),
        helm_trial("helm_keys_are_the_same_in_both_modes", keys),
        helm_trial("helm_rendered_scalars_are_what_they_are_to_helm", scalars),
    ]);
}

async fn paths() {
    let world = HelmWorld::with(|_| {}).await;
    world
        .publish(
            "web",
            "1.0.0",
            &[("templates/all.yaml", ALL), ("values.yaml", OWN)],
        )
        .await;
    let mut runner = TestRunner::deterministic();
    let mut parameters = Map::new();
    for number in 0..150 {
        let tree = assignment().new_tree(&mut runner).expect("a value");
        let (path, value) = tree.current();
        // Each has a root of its own, so that none contradicts another.
        parameters.insert(format!("p{number}{path}"), value);
    }
    parameters.insert("own.gone".to_owned(), Value::Null);
    parameters.insert("own.list[1]".to_owned(), json!("replaced"));
    let deployment = world.deployment_with(ID, &[("web", "1.0.0")], &json!(parameters));
    world.apply(&deployment).await.expect("it is installed");
    let found = world.names("configmaps");
    let [name] = &found[..] else {
        panic!("one config map: {found:?}");
    };
    let map = world.object("configmaps", name);
    let data = &map["data"];
    assert_eq!(data["own"], r#"{"list":[null,"replaced"],"stays":1}"#);
    let rendered = by_helm(&parameters);
    let lines = rendered.lines();
    let expected: Vec<&str> = lines
        .filter_map(|line| line.trim().strip_prefix("values: "))
        .collect();
    let values = data["values"].as_str().expect("values");
    // On a difference, decode both with `base64 -d`.
    assert_eq!([values], expected[..]);
}

/// The keys of objects are what Helm makes of them, also where it does not apply them itself.
async fn keys() {
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {on: a, n: b, 1.10: c, 0x10: d, 'y': e}\n";
    let expected = json!({"true": "a", "false": "b", "1.1": "c", "16": "d", "y": "e"});
    for mode in [Mode::Install, template_mode()] {
        let world = HelmWorld::with(|options| options.mode = mode).await;
        let files = [("templates/c.yaml", config)];
        world.publish("web", "1.0.0", &files).await;
        let deployment = world.deployment(&[("web", "1.0.0")]);
        world.apply(&deployment).await.expect("it is installed");
        assert_eq!(world.object("configmaps", "c")["data"], expected);
        assert_eq!(world.states(&deployment).await, ["installed"]);
    }
}

/// What a template writes for a value means to template mode what it means to Helm.
async fn scalars() {
    let mut written: Vec<String> = SCALARS.iter().map(|&text| text.to_owned()).collect();
    let mut runner = TestRunner::deterministic();
    for pattern in [
        "[-+0-9a-fxXoObBeE._:]{1,7}",
        "[yYeEsSnNoOfFtTrRuUlL]{1,5}",
        "[-+]?[.]?[iInNaAfF]{3}",
        "[-+]?[0-9]{1,21}([.][0-9]{1,4})?",
    ] {
        let scalar = proptest::string::string_regex(pattern).expect("a pattern");
        for _ in 0..250 {
            written.push(scalar.new_tree(&mut runner).expect("a text").current());
        }
    }
    let by_helm = tokio::task::block_in_place(|| read_by_helm(&written));
    assert_eq!(by_helm.len(), written.len());
    let mut different = Vec::new();
    for (text, theirs) in written.iter().zip(&by_helm) {
        let document = format!("apiVersion: v1\nkind: X\nmetadata: {{name: a}}\nv: {text}\n");
        let ours = read_rendered(document.as_bytes()).ok();
        let ours = ours.map(|rendered| rendered.objects[0].object["v"].clone());
        let is_same = match (&ours, theirs) {
            // What prints the values of Helm knows no whole numbers of more than 53 bits.
            (Some(Value::Number(one)), Some(Value::Number(other)))
                if one.as_f64().is_some_and(|one| one.abs() >= 9e15) =>
            {
                one.as_f64() == other.as_f64()
            }
            _ => ours == *theirs,
        };
        if !is_same {
            different.push(format!("{text}: {ours:?}, {theirs:?} for Helm"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// What Helm makes of YAML values; `None` of what is none.
fn read_by_helm(written: &[String]) -> Vec<Option<Value>> {
    let folder = TempDir::new().expect("a folder");
    let chart = folder.path().join("web");
    for directory in ["templates", "files"] {
        std::fs::create_dir_all(chart.join(directory)).expect("a folder");
    }
    let write = |path: &str, text: &str| std::fs::write(chart.join(path), text).expect("a file");
    write("Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n");
    write("templates/all.yaml", READ_ALL);
    for (number, text) in written.iter().enumerate() {
        write(&format!("files/{number:06}"), &format!("v: {text}\n"));
    }
    let mut command = Command::new("helm");
    let output = command
        .arg("template")
        .arg(&chart)
        .output()
        .expect("helm runs");
    let lines = String::from_utf8(output.stdout).expect("text");
    let lines = lines.lines().filter_map(|line| line.strip_prefix("read: "));
    let values = lines.map(|line| -> Value { serde_json::from_str(line).expect("JSON") });
    values.map(|value| value.get("v").cloned()).collect()
}

/// The chart, rendered with these on the command line.
fn by_helm(parameters: &Map<String, Value>) -> String {
    let folder = TempDir::new().expect("a folder");
    let chart = folder.path().join("web");
    std::fs::create_dir_all(chart.join("templates")).expect("a folder");
    let metadata = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
    for (path, text) in [
        ("Chart.yaml", metadata),
        ("values.yaml", OWN),
        ("templates/all.yaml", ALL),
    ] {
        std::fs::write(chart.join(path), text).expect("a file");
    }
    let mut command = Command::new("helm");
    command.args(["template", "web-1"]).arg(&chart);
    for (pointer, value) in parameters {
        command.arg("--set-json").arg(format!("{pointer}={value}"));
    }
    let output = command.output().expect("helm runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).expect("text")
}

/// The rest of a path, and a value.
fn assignment() -> impl Strategy<Value = (String, Value)> {
    let name = proptest::collection::vec(
        prop_oneof![
            5 => "[a-zA-Z0-9_/ é-]",
            1 => Just(r"\.".to_owned()),
            1 => Just(r"\,".to_owned()),
            1 => Just(r"\=".to_owned()),
            1 => Just(r"\[".to_owned()),
            1 => Just("]".to_owned()),
            1 => Just(r"\\".to_owned()),
            1 => Just("\"".to_owned()),
        ],
        1..6,
    );
    let step = prop_oneof![
        3 => name.prop_map(|parts| format!(".{}", parts.concat())),
        1 => (0_usize..4).prop_map(|index| format!("[{index}]")),
    ];
    let path = proptest::collection::vec(step, 0..5).prop_map(|steps| steps.concat());
    let scalar = prop_oneof![
        any::<i32>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        "[0-9]{1,9}".prop_map(Value::from),
        Just(json!("true")),
        Just(json!("null")),
        Just(json!(0.25)),
    ];
    // Helm drops what is null, and so does what it is told on its command line, but for elements of lists.
    let leaf = prop_oneof![6 => scalar, 1 => Just(Value::Null)];
    let deep = leaf.prop_recursive(5, 24, 4, |inner| {
        prop_oneof![
            2 => proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            1 => proptest::collection::btree_map("[a-z.\\[é ]{0,3}", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    (path, deep)
}

async fn numbers() {
    let world = HelmWorld::with(|_| {}).await;
    world
        .publish("web", "1.0.0", &[("templates/all.yaml", NUMBERS)])
        .await;
    let parameters = json!({"large": 1_000_000, "list[0].negative": -20_000_000, "text": "1000000", "ratio": 0.5});
    let deployment = world.deployment_with(ID, &[("web", "1.0.0")], &parameters);
    world.apply(&deployment).await.expect("it is installed");
    let name = &world.names("configmaps")[0];
    let data = &world.object("configmaps", name)["data"];
    let expected = json!({"large": "1000000 int64", "negative": "-20000000 int64", "text": "1000000 string", "ratio": "0.5 float64"});
    assert_eq!(*data, expected);
}

/// What a small document could blow up, and what a command line does not hold; in both modes.
async fn bounds() {
    let lists: Map<String, Value> = (0..1000)
        .map(|number| (format!("x{number}[65536]"), json!(1)))
        .collect();
    let large = |count| json!({"numbers": vec![1_000_000; count]});
    let long = json!({"n".repeat(200_000): 1_000_000});
    for world in [HelmWorld::with(|_| {}).await, HelmWorld::template().await] {
        world
            .publish("web", "1.0.0", &[("templates/numbers.yaml", COUNT)])
            .await;
        let asked = world.registry.requests().len();
        for (parameters, expected) in [
            (&json!(lists), "x111[65536]"),
            (&large(10_001), "at most 10000"),
            (&long, "at most 10000"),
        ] {
            let deployment = world.deployment_with(ID, &[("web", "1.0.0")], parameters);
            let error = world.refused(&deployment).await;
            assert_eq!(error.trouble, Trouble::Deployment);
            assert!(error.message.contains(expected), "{error}");
        }
        assert_eq!(world.registry.requests().len(), asked, "nobody was asked");
        let deployment = world.deployment_with(ID, &[("web", "1.0.0")], &large(10_000));
        world.apply(&deployment).await.expect("helm takes them");
        let name = &world.names("configmaps")[0];
        assert_eq!(world.object("configmaps", name)["data"]["count"], "10000");
    }
}

/// Those that readers of YAML are not of one mind about.
const SCALARS: &[&str] = &[
    "yes",
    "Yes",
    "YES",
    "yES",
    "no",
    "nO",
    "on",
    "oN",
    "OFF",
    "oFF",
    "y",
    "N",
    "True",
    "tRUE",
    "fALSE",
    "Null",
    "nULL",
    "~",
    "",
    ".inf",
    ".INF",
    ".iNF",
    "+.inf",
    "-.inf",
    ".nan",
    ".NaN",
    ".nAN",
    "inf",
    "nan",
    "infinity",
    "0x1F",
    "0X1F",
    "0o17",
    "0O17",
    "017",
    "08",
    "0b11",
    "0B11",
    "0b12",
    "1_000",
    "1_0.5",
    "_1",
    "1_",
    "1e3",
    "1e400",
    "-1e400",
    "1e-400",
    ".5",
    "5.",
    "+.5",
    "-0",
    "-0.0",
    "1.10",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775809",
    "100000000000000000000",
    "1:30",
    "190:20:30",
    "1:30.5",
    "2020-01-01",
    "2001-12-14t21:59:43.10-05:00",
    "!!str 5",
    "!!str yes",
    "!!str null",
    "!!str ~",
    "!!int 5",
    "!!int '5'",
    "!!int 0x10",
    "!!int 5.0",
    "!!int abc",
    "!!float 5",
    "!!float '1'",
    "!!float abc",
    "!!float .inf",
    "!!bool yes",
    "!!bool 'yes'",
    "!!bool maybe",
    "!!null ''",
    "!!binary aGk=",
    "!local 5",
    "! 5",
    "=",
    "<<",
    "0x",
    "0b",
    "0o8",
    "0x7fffffffffffffff",
    "0xffffffffffffffff",
    "0x10000000000000000",
    "-0x1F",
    "-017",
    "-0b11",
    "1,000",
    "1e",
    "1.e3",
    ".e1",
    ".",
    "+",
    "--",
    "0_8",
    "0x_1F",
    "00",
    "-00",
    "0e0",
    "1__0",
    "a#b",
    "a # b",
    r#""\x41""#,
    r#""\e""#,
    r#""\N""#,
    "[a, b,]",
    "{a: 1, b}",
    "!!set {a}",
    "&x 1",
    "|\n  5",
    ">-\n  yes",
    "|2\n    5",
    "|\n  1_000",
    "\n  1_000",
    "'1_000'",
    "|\n\n  0_8",
    "|-\n\n  0_8",
    "'yes'",
    "\"5\"",
    "&a 'yes'",
    "&a yes",
    "[&a yes, *a, &b '5', *b]",
    "1\n  2",
    "a\n  b",
    "yes # no",
    "é",
    "['é', 5, \"é\", yes]",
    "? yes\n: no",
    "{é: é, yes: 5}",
    "\n  <<: {a: yes}\n  b: é\n  c: 010",
    "\n- 1.0\n- -0.0\n- 1e21\n- 1.0e15",
];
const READ_ALL: &str = "{{ range $path, $bytes := .Files.Glob \"files/*\" }}\nread: {{ $.Files.Get $path | fromYaml | toJson }}\n{{ end }}\n";
const COUNT: &str = r"
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data: {count: {{ len .Values.numbers | quote }}}
";
const ALL: &str = r"
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data:
  own: {{ .Values.own | toJson | squote }}
  values: {{ .Values | toJson | b64enc }}
";
const OWN: &str = "own: {gone: 1, stays: 1, list: [a, b]}\n";
const NUMBERS: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data:
  large: {{ printf "%v %T" .Values.large .Values.large }}
  negative: {{ with index .Values.list 0 }}{{ printf "%v %T" .negative .negative | quote }}{{ end }}
  text: {{ printf "%v %T" .Values.text .Values.text }}
  ratio: {{ printf "%v %T" .Values.ratio .Values.ratio }}
"#;
