//! What the templates of a chart render to: the output of `helm template`, read into objects.

use serde_json::Value;

use super::finding::{ChartFinding, ChartRule};
use crate::compose::YamlError;
use crate::compose::yaml;

/// The objects that a chart renders to.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Rendered {
    /// The objects in their order, those of lists one by one.
    pub objects: Vec<RenderedObject>,
    /// Hooks and custom resource definitions among them: also those that a template puts together while it runs, which
    /// [`Chart::findings`](super::Chart::findings) cannot see. Their line is that of the rendered document.
    pub findings: Vec<ChartFinding>,
}

/// An object and the template that it comes from.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RenderedObject {
    /// The template, such as `shop/templates/web.yaml`; empty when Helm did not say.
    pub file: String,
    /// The object: it has an `apiVersion`, a `kind` and a name.
    pub object: Value,
}

/// Why the output is not read: the author's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenderedError {
    /// It is not UTF-8.
    #[error("what the chart renders to is not UTF-8")]
    NotText,
    /// A document is no YAML within the limits: see the source.
    #[error("what {file} renders to is not readable")]
    Yaml {
        /// The template.
        file: String,
        /// The reason; its line is that of the rendered document.
        #[source]
        why: YamlError,
    },
    /// A document is no Kubernetes object.
    #[error("{file} renders to what is no Kubernetes object: it has no {missing}")]
    NoObject {
        /// The template.
        file: String,
        /// What every object has.
        missing: &'static str,
    },
    /// There are more objects than any application has.
    #[error("the chart renders to more than {0} objects; split it")]
    TooMany(usize),
}

/// Reads the output of `helm template`: at most 10,000 objects, in documents of at most 1 MiB.
///
/// It is read as Helm itself reads it before it installs: split at lines that begin with `---`, by YAML 1.1.
///
/// # Errors
/// [`RenderedError`]; findings are no errors.
pub fn read_rendered(output: &[u8]) -> Result<Rendered, RenderedError> {
    let text = std::str::from_utf8(output).map_err(|_| RenderedError::NotText)?;
    let mut rendered = Rendered::default();
    for document in documents(text) {
        let file = source_of(document);
        let value =
            yaml::parse_as_helm(document.as_bytes()).map_err(|why| RenderedError::Yaml {
                file: file.clone(),
                why,
            })?;
        if !value.is_null() {
            rendered.add(&file, document, value)?;
        }
    }
    Ok(rendered)
}

impl Rendered {
    fn add(&mut self, file: &str, document: &str, value: Value) -> Result<(), RenderedError> {
        let text_at = |path| value.pointer(path).and_then(Value::as_str);
        let kind = text_at("/kind").unwrap_or_default();
        let items = value.get("items").and_then(Value::as_array);
        if let Some(items) = items.filter(|_| kind.ends_with("List")) {
            for item in items {
                self.add(file, document, item.clone())?;
            }
            return Ok(());
        }
        let needed = [
            ("/apiVersion", "apiVersion"),
            ("/kind", "kind"),
            ("/metadata/name", "metadata.name"),
        ];
        for (path, missing) in needed {
            if text_at(path).is_none_or(str::is_empty) {
                let file = file.to_owned();
                return Err(RenderedError::NoObject { file, missing });
            }
        }
        let mut find = |rule, what| {
            self.findings.push(ChartFinding {
                file: file.to_owned(),
                line: line_of(document, what),
                rule,
            });
        };
        if value
            .pointer("/metadata/annotations/helm.sh~1hook")
            .is_some()
        {
            find(ChartRule::Hook, "helm.sh/hook");
        }
        if kind == "CustomResourceDefinition" {
            find(ChartRule::CrdTemplate, "CustomResourceDefinition");
        }
        if self.objects.len() == MAX_OBJECTS {
            return Err(RenderedError::TooMany(MAX_OBJECTS));
        }
        self.objects.push(RenderedObject {
            file: file.to_owned(),
            object: value,
        });
        Ok(())
    }
}

/// The documents, each with the comment on where it comes from.
fn documents(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let separator = text.match_indices("---").map(|(position, _)| position);
        let mut separator = separator.filter(|position| {
            let before = text.get(..*position).unwrap_or_default();
            before.is_empty() || before.ends_with('\n')
        });
        let Some(position) = separator.next() else {
            rest = None;
            return Some(text);
        };
        rest = text.get(position + 3..);
        text.get(..position)
    })
    .filter(|document| !document.trim().is_empty())
}

/// The template that a document comes from, as Helm writes it above.
fn source_of(document: &str) -> String {
    let mut comments = document.lines().map(str::trim);
    let source = comments.find_map(|line| line.strip_prefix("# Source: "));
    source.unwrap_or_default().to_owned()
}

/// The first line with a text, without the comment on the source.
fn line_of(document: &str, what: &str) -> usize {
    let lines = document.lines().skip_while(|line| line.trim().is_empty());
    let lines = lines.skip_while(|line| line.starts_with("# Source: "));
    let mut lines = lines.zip(1..);
    let found = lines.find(|(line, _)| line.contains(what));
    found.map_or(0, |(_, number)| number)
}

/// Ten times the charts that are called large.
const MAX_OBJECTS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const OUTPUT: &str = "---\n# Source: shop/templates/web.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n\
        data:\n  text: |\n    one\n    ---\n    two\n---\n# Source: shop/templates/empty.yaml\n# nothing\n---\n\
        # Source: shop/charts/db/templates/list.yaml\nkind: List\napiVersion: v1\nitems:\n- {apiVersion: v1, kind: Secret, \
        metadata: {name: b}, mode: 0644, on: yes, twice: 1, twice: 2}\n";

    #[test]
    fn documents_become_objects_with_their_files() {
        let rendered = read_rendered(OUTPUT.as_bytes()).unwrap();
        assert_eq!(rendered.findings, []);
        let [first, second] = rendered.objects.as_slice() else {
            panic!("{rendered:?}");
        };
        assert_eq!(first.file, "shop/templates/web.yaml");
        assert_eq!(first.object["data"]["text"], "one\n---\ntwo\n");
        assert_eq!(second.file, "shop/charts/db/templates/list.yaml");
        assert_eq!(second.object["mode"], json!(420), "octal as in YAML 1.1");
        assert_eq!(second.object["twice"], json!(2));
    }

    #[test]
    fn yes_is_true_as_it_is_for_helm() {
        let text = "apiVersion: v1\nkind: X\nmetadata: {name: a}\nwanted: yes\nquoted: 'yes'\n";
        let rendered = read_rendered(text.as_bytes()).unwrap();
        assert_eq!(rendered.objects[0].object["wanted"], json!(true));
        assert_eq!(rendered.objects[0].object["quoted"], json!("yes"));
    }

    #[test]
    fn hooks_and_definitions_are_found_where_they_stand() {
        let hook = "---\n# Source: shop/templates/job.yaml\napiVersion: batch/v1\nkind: Job\nmetadata:\n  name: j\n  \
            annotations:\n    helm.sh/hook: pre-install\n---\n# Source: shop/templates/crd.yaml\n\
            kind: CustomResourceDefinition\napiVersion: apiextensions.k8s.io/v1\nmetadata: {name: c}\n";
        let rendered = read_rendered(hook.as_bytes()).unwrap();
        let found: Vec<String> = rendered.findings.iter().map(ToString::to_string).collect();
        assert!(
            found[0].starts_with("shop/templates/job.yaml:6: is a Helm hook"),
            "{found:?}"
        );
        assert!(
            found[1].starts_with("shop/templates/crd.yaml:1: defines"),
            "{found:?}"
        );
    }

    #[test]
    fn what_is_no_object_is_named() {
        let no_name =
            "# Source: a/templates/x.yaml\nkind: X\napiVersion: v1\nmetadata: {generateName: a-}\n";
        let error = read_rendered(no_name.as_bytes()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a/templates/x.yaml renders to what is no Kubernetes object: it has no metadata.name"
        );
        assert!(read_rendered(b"- a\n").is_err());
        assert!(read_rendered(b"a: b: c").is_err());
        assert!(read_rendered(b"\xff").is_err());
    }
}
