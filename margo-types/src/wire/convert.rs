//! What the conversions between the model and the older generations have in common.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::extra::{ExtensionName, Extra};
use crate::path::{DocumentPath, Segment};
use crate::read::deserializer::Misfit;
use crate::version::SpecVersion;
use crate::write::Unrepresentable;

/// A document as one older generation writes it.
pub(crate) trait OlderForm: Serialize + DeserializeOwned {
    /// The document of the model.
    type Model;

    /// Says the same in the model.
    fn into_model(self) -> Result<Self::Model, Rejected>;

    /// Says the same in this generation.
    fn from_model(model: &Self::Model) -> Result<Self, Unrepresentable>;

    /// The JSON Schema of what is read.
    #[cfg(feature = "schema")]
    fn schema(generation: SpecVersion) -> schemars::Schema
    where
        Self: schemars::JsonSchema,
    {
        crate::schema::older::of::<Self>(generation)
    }
}

/// Why a document of an older generation says nothing that the model could say.
#[derive(Debug)]
pub(crate) struct Rejected {
    /// The value that is to blame.
    pub(crate) path: DocumentPath,
    /// What is wrong and what to write instead.
    pub(crate) why: String,
}

impl From<Rejected> for Misfit {
    fn from(rejected: Rejected) -> Self {
        Self::new(rejected.why, Some(rejected.path.segments().to_vec()))
    }
}

/// Where the conversion out of the model is, and into which generation.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    generation: SpecVersion,
    path: DocumentPath,
}

impl Place {
    pub(crate) fn root(generation: SpecVersion) -> Self {
        Self {
            generation,
            path: DocumentPath::root(),
        }
    }

    pub(crate) fn key(&self, key: &str) -> Self {
        self.at(self.path.key(key))
    }

    pub(crate) fn index(&self, index: usize) -> Self {
        self.at(self.path.index(index))
    }

    /// The generation cannot express what is here.
    pub(crate) fn refuse(&self, why: impl Into<String>) -> Unrepresentable {
        Unrepresentable::new(self.path.to_string(), self.generation, why)
    }

    /// Passes on the unknown members of an object, unless the generation gives one of the names another
    /// meaning: then the member would be read back as something else.
    pub(crate) fn pass_on(&self, extra: &Extra, taken: &[&str]) -> Result<Extra, Unrepresentable> {
        match extra.0.keys().find(|key| taken.contains(&key.as_str())) {
            None => Ok(extra.clone()),
            Some(key) => Err(self.key(key).refuse(
                "the name has a meaning of its own in this generation; remove or rename the member",
            )),
        }
    }

    /// The same, where extensions are addressed to somebody: a reader of an older generation would leave
    /// out what they ask for without a word.
    pub(crate) fn pass_on_without_extensions(
        &self,
        extra: &Extra,
        taken: &[&str],
    ) -> Result<Extra, Unrepresentable> {
        let is_extension = |key: &&String| ExtensionName::from_key(key).is_some();
        match extra.0.keys().find(is_extension) {
            None => self.pass_on(extra, taken),
            Some(key) => Err(self
                .key(key)
                .refuse("the generation has no extensions; remove it or write a newer generation")),
        }
    }

    fn at(&self, path: DocumentPath) -> Self {
        Self {
            generation: self.generation,
            path,
        }
    }
}

/// The one value of an identifier that older documents put in several places. Two that disagree are an
/// error that names both.
pub(crate) fn agreed<T: PartialEq + std::fmt::Display, const N: usize>(
    places: [(&[&str], Option<T>); N],
) -> Result<Option<T>, Rejected> {
    let mut agreed: Option<(&[&str], T)> = None;
    for (keys, value) in places {
        let Some(value) = value else { continue };
        match &agreed {
            None => agreed = Some((keys, value)),
            Some((_, first)) if *first == value => {}
            Some((first_keys, first)) => {
                let first_path = path(first_keys);
                return Err(Rejected {
                    path: path(keys),
                    why: format!(
                        "this is {value}, but {first_path} is {first}; keep one of the two"
                    ),
                });
            }
        }
    }
    Ok(agreed.map(|(_, value)| value))
}

/// The unknown annotations of an object, kept as the member `annotations` among its unknown members.
pub(crate) fn keep_annotations(annotations: Extra, extra: &mut Extra) {
    if !annotations.is_empty() {
        let annotations = annotations.0.into_iter().collect();
        extra
            .0
            .insert(ANNOTATIONS.to_owned(), Value::Object(annotations));
    }
}

/// Takes what [`keep_annotations`] kept back out.
pub(crate) fn take_annotations(
    extra: &mut Extra,
    place: &Place,
    taken: &[&str],
) -> Result<Extra, Unrepresentable> {
    let place = place.key(ANNOTATIONS);
    match extra.0.remove(ANNOTATIONS) {
        None => Ok(Extra::default()),
        Some(Value::Object(annotations)) if !annotations.is_empty() => {
            place.pass_on(&Extra(annotations.into_iter().collect()), taken)
        }
        Some(_) => Err(place.refuse("annotations are an object with members; write one or none")),
    }
}

/// The path through these keys.
pub(crate) fn path(keys: &[&str]) -> DocumentPath {
    let segments: Vec<_> = keys
        .iter()
        .map(|key| Segment::Key((*key).to_owned()))
        .collect();
    segments.into()
}

const ANNOTATIONS: &str = "annotations";
