//! What we write, read by real programs; and what the specification's authors wrote, read by us.
//!
//! A test whose program or folder is missing is shown as ignored, with the reason. With `CI=true` it fails.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use margo_types::problem::Problem;
use margo_types::{Format, SpecVersion, read, read_any, write_as};
use serde_json::{Value, json};

fn main() -> ExitCode {
    let trials = vec![
        trial("pyyaml_reads_what_we_write", pyyaml_reads_what_we_write),
        trial("helm_reads_what_we_write", helm_reads_what_we_write),
        trial("published_rc3_examples_are_accepted", || {
            examples("rc3/valid", true)
        }),
        trial("published_older_examples_are_accepted", || {
            examples("older/valid", true)
        }),
        trial("published_invalid_examples_are_refused", || {
            examples("older/invalid", false)
        }),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// How a test can end other than well.
enum Problems {
    /// A real part is missing.
    Missing(String),
    /// The test failed.
    Failed(String),
}

impl From<std::io::Error> for Problems {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<serde_json::Error> for Problems {
    fn from(error: serde_json::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

fn trial(name: &str, test: fn() -> Result<(), Problems>) -> Trial {
    Trial::ignorable_test(name, move || match test() {
        Ok(()) => Ok(Completion::Completed),
        Err(Problems::Missing(what)) if env::var_os("CI").is_none_or(|ci| ci != "true") => {
            Ok(Completion::ignored_with(what))
        }
        Err(Problems::Missing(why) | Problems::Failed(why)) => Err(Failed::from(why)),
    })
}

fn pyyaml_reads_what_we_write() -> Result<(), Problems> {
    let python = ["python3", "/usr/bin/python3"].into_iter().find(|python| {
        let imported = Command::new(python).args(["-c", "import yaml"]).output();
        imported.is_ok_and(|output| output.status.success())
    });
    let python = python.ok_or_else(|| Problems::Missing("no python3 has yaml".to_owned()))?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("values.yaml");
    fs::write(&file, awkward_yaml())?;
    let script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1], encoding='utf-8'))))";
    let printed = run(Command::new(python).args(["-c", script]).arg(&file))?;
    let found: Value = serde_json::from_str(&printed)?;
    compare(&awkward(), &found["values"])
}

fn helm_reads_what_we_write() -> Result<(), Problems> {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/ci-tools/bin/helm");
    let helm = [PathBuf::from("helm"), installed].into_iter().find(|helm| {
        let version = Command::new(helm).arg("version").output();
        version.is_ok_and(|output| output.status.success())
    });
    let helm = helm.ok_or_else(|| Problems::Missing("helm is not on PATH".to_owned()))?;
    let chart = tempfile::tempdir()?;
    fs::create_dir(chart.path().join("templates"))?;
    // Helm reads what it rendered as YAML again, so the JSON travels in base64.
    let template = "values: {{ toJson .Values.values | b64enc }}\n";
    let about = "apiVersion: v2\nname: echo\nversion: 0.1.0\n";
    fs::write(chart.path().join("Chart.yaml"), about)?;
    fs::write(chart.path().join("templates/values.txt"), template)?;
    let file = chart.path().join("ours.yaml");
    fs::write(&file, awkward_yaml())?;
    let mut template = Command::new(helm);
    template
        .args(["template", "echo"])
        .arg(chart.path())
        .arg("-f")
        .arg(&file);
    let printed = run(template.env("HELM_CACHE_HOME", chart.path()))?;
    let (_, encoded) = printed.split_once("values: ").unwrap_or_default();
    let json = BASE64_STANDARD.decode(encoded.trim()).unwrap_or_default();
    compare(&awkward(), &serde_json::from_slice(&json)?)
}

/// What a program prints.
fn run(command: &mut Command) -> Result<String, Problems> {
    let output = command.output()?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(Problems::Failed(text(output.stderr)))
    }
}

/// Compares member by member; a number may lose its exactness, as in every program that reads JSON.
fn compare(ours: &Value, theirs: &Value) -> Result<(), Problems> {
    let (Value::Object(ours), Value::Object(theirs)) = (ours, theirs) else {
        return Err(Problems::Failed(format!("no object was read: {theirs}")));
    };
    let same = |ours: &Value, theirs: Option<&Value>| match (
        ours.as_f64(),
        theirs.and_then(Value::as_f64),
    ) {
        (Some(ours), Some(theirs)) => ours.total_cmp(&theirs).is_eq() || ours + theirs == 0.0,
        _ => Some(ours) == theirs,
    };
    let changed: Vec<_> = ours
        .iter()
        .filter(|(key, value)| !same(value, theirs.get(*key)))
        .map(|(key, value)| format!("{key:?}: {value} became {:?}", theirs.get(key)))
        .chain(
            theirs
                .keys()
                .filter(|key| !ours.contains_key(*key))
                .map(|key| format!("{key:?} is new")),
        )
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    Err(Problems::Failed(changed.join("\n")))
}

/// A document with the awkward values, as we write it; what we read of it is checked on the way.
fn awkward_yaml() -> Vec<u8> {
    let text = br#"{"type":"about:blank","title":"awkward","status":400}"#;
    let mut problem = read::<Problem>(text).unwrap().into_value();
    problem.extra.0.insert("values".to_owned(), awkward());
    let yaml = write_as(&problem, SpecVersion::NEWEST, Format::Yaml).unwrap();
    assert_eq!(
        read::<Problem>(&yaml).unwrap().into_value(),
        problem,
        "we read it otherwise"
    );
    yaml
}

/// Every awkward text as a value, as a key, in a list and in a list of objects; and awkward numbers.
fn awkward() -> Value {
    let mut values = json!({
        "whole": [0, -1, 17, 1_000_000, 9_007_199_254_740_991_u64],
        "bools": [true, false, null],
        "empty": [{}, [], [[]], [{}]],
        "nested": [[["yes"], "no"], {"on": ["off"]}],
        "list": AWKWARD_TEXTS,
        "objects": AWKWARD_TEXTS.iter().map(|text| json!({ "a": text, "b": text })).collect::<Vec<_>>(),
    });
    let members = values.as_object_mut().unwrap();
    for (index, text) in AWKWARD_TEXTS.iter().enumerate() {
        members.insert(format!("value {index}"), json!(text));
        members.insert((*text).to_owned(), json!(index));
    }
    for (index, number) in [0.5, -0.25, 1.0, 1e-7, 1.5e300, 1e20, 1e21, 123_456_789.125]
        .into_iter()
        .enumerate()
    {
        members.insert(format!("number {index}"), json!(number));
    }
    values
}

/// All published documents in this folder are accepted, or all are refused.
fn examples(folder: &str, accepted: bool) -> Result<(), Problems> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/spec/examples")
        .join(folder);
    let entries = fs::read_dir(&root)
        .map_err(|_| Problems::Missing(format!("the folder {} is not there", root.display())))?;
    let mut wrong = Vec::new();
    for entry in entries {
        let file = entry?.path();
        let why = match read_any(&fs::read(&file)?) {
            Err(error) => Some(error.to_string()),
            Ok(document) => {
                let report = document.validate();
                (!report.is_valid()).then(|| report.to_string())
            }
        };
        if why.is_none() != accepted {
            let why = why.unwrap_or_else(|| "was accepted".to_owned());
            wrong.push(format!("{}: {why}", file.display()));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Problems::Failed(wrong.join("\n")))
}

/// Texts that a reader of YAML 1.1 or 1.2 could take for something else.
#[rustfmt::skip]
const AWKWARD_TEXTS: &[&str] = &[
    "yes", "Yes", "no", "NO", "on", "On", "off", "OFF", "y", "Y", "n", "N", "true", "True", "FALSE", "~",
    "null", "Null", "NULL", "", " ", "=", "<<", "017", "0o17", "0x1F", "0b101", "1_000", "1", "-1", "+1",
    "1.0", "1.10", "1.", ".5", "-.5", "1e3", "1E3", "1.5e3", "1e+3", "12:30", "1:2:3", "190:20:30.15",
    "2001-12-14", "2001-12-14t21:59:43.10-05:00", ".inf", "-.INF", ".nan", ".NaN", "_1", "1_", "0_7",
    "+.inf", "685_230.15", "0.", "-0", "-", "- a", "?", "? a", ":", "a:", ":a", "a: b", "#", "# a", "a #b",
    "a#b", "&a", "*a", "!a", "!!str a", "%a", "@a", "`a`", "|", "|-", ">", ">+ a", "[", "]", "[a]", "{",
    "}", "{a: b}", ",", ", a", "'", "''", "'a'", "\"", "\"a\"", "\\", "\\n", "a\\", "---", "...", "--- a",
    "a\n---\nb", " a", "  a", "a ", "a  b", "\ta", "a\t", "a\tb", "\n", "\na", "a\n", "a\n\n", "a\nb",
    "a\n\nb\n", " a\n b", "a\n  b\n", "\n a", "a \nb", "a\rb", "a\r\nb", "\u{85}", "a\u{85}b", "\u{2028}",
    "a\u{2029}b", "\u{a0}", "\u{7f}", "\u{1}", "\u{1b}[0m", "\u{feff}", "a\u{feff}", "é", "日本語", "😀",
    "\u{e000}", "\u{fffd}", "a, b", "a]b", "{{ .Values.a }}", "${A}", "$A", "100%", "50 %", "=1", "C:\\a",
    "https://a.example/b?c=d#e", "-----BEGIN CERTIFICATE-----\nTElO\n-----END CERTIFICATE-----\n",
    "a very long line of words that goes on and on until a writer that likes to fold lines would have folded it twice",
];
