//! Pointers mean what they mean to `helm --set`: the same paths with the same values, through the provider and on Helm's own
//! command line.

use std::process::Command;

use libtest_mimic::Trial;
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
    let list = proptest::collection::vec(scalar.clone(), 0..4).prop_map(Value::from);
    (path, prop_oneof![3 => scalar, 1 => list])
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
