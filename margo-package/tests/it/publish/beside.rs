//! Components that lie beside a package.

use std::fs;
use std::path::Path;

use margo_package::oci::ArtifactStore as _;
use margo_package::publish::{
    ComponentKind, ComponentPlace, FoundComponent, PublishError, find_components, push_component,
};
use margo_types::application::ApplicationDescription;
use margo_types::read;

use super::{DESCRIPTION, Store, pack_chart, pack_compose, reference, sample};
use crate::support::write_tree;

fn description() -> ApplicationDescription {
    read::<ApplicationDescription>(DESCRIPTION.as_bytes())
        .unwrap()
        .into_value()
}

fn find(directory: &Path) -> Result<Vec<FoundComponent>, PublishError> {
    find_components(directory, &description())
}

#[test]
fn all_components_of_the_description_are_listed() {
    let directory = sample();
    let components = directory.path().join("components");
    write_tree(&components, &[("README.md", "about"), (".git/config", "x")]);
    let found = find(directory.path()).unwrap();
    let places: Vec<_> = found
        .iter()
        .map(|found| (found.component.name.as_str(), found.place.clone()))
        .collect();
    assert_eq!(
        places,
        [
            ("watch", ComponentPlace::Directory(components.join("watch"))),
            ("elsewhere", ComponentPlace::Elsewhere),
            (
                "watch-chart",
                ComponentPlace::Directory(components.join("watch-chart"))
            ),
        ]
    );
    assert_eq!(found[0].kind(), Some(ComponentKind::Compose));
    assert_eq!(
        found[0].reference().unwrap(),
        reference("registry.example/kilns/watch:3.0.0_b1")
    );
    assert_eq!(found[1].kind(), None);

    fs::remove_dir_all(components).unwrap();
    let found = find(directory.path()).unwrap();
    assert_eq!(found.len(), 3);
    assert!(
        found
            .iter()
            .all(|found| found.place == ComponentPlace::Elsewhere)
    );
}

#[tokio::test]
async fn packed_or_not_they_are_pushed_alike() {
    let (store, directory) = (Store::new().await, sample());
    let push_all = async || {
        let mut pushed = Vec::new();
        for found in find(directory.path()).unwrap() {
            pushed.push(
                push_component(&store, &found, &description())
                    .await
                    .unwrap(),
            );
        }
        pushed
    };
    let unpacked = push_all().await;
    let components = directory.path().join("components");
    let archive = pack_compose(&components.join("watch"));
    fs::write(components.join("watch.tar.gz"), archive).unwrap();
    let chart = pack_chart(&components.join("watch-chart"));
    fs::write(components.join("watch-chart.tgz"), chart).unwrap();
    for name in ["watch", "watch-chart"] {
        fs::remove_dir_all(components.join(name)).unwrap();
    }
    assert_eq!(push_all().await, unpacked);
    assert_eq!(unpacked[1], None, "what is elsewhere is not pushed");
    let watch = unpacked[0].as_ref().unwrap();
    let manifest = store.pull_manifest(&watch.reference).await.unwrap();
    let annotations = &manifest.content().layers[0].annotations;
    assert_eq!(
        annotations["org.opencontainers.image.authors"],
        "Ada, bo@kilns.example"
    );
    assert_eq!(
        annotations["org.opencontainers.image.description"],
        "Watches kilns"
    );
}

#[test]
fn what_does_not_fit_is_named() {
    let chart =
        |version: &str| format!("{{apiVersion: v2, name: watch-chart, version: {version}}}");
    let cases: [(&str, String, &str); 6] = [
        (
            "stranger/compose.yaml",
            String::new(),
            "no component of the description",
        ),
        (
            "stranger.tgz",
            String::new(),
            "no component of the description",
        ),
        (
            "watch-chart/Chart.yaml",
            chart("3.0.0"),
            "version \"3.0.0\"",
        ),
        (
            "elsewhere/Chart.yaml",
            chart("1.0.0"),
            "is of type helm, but its profile of type compose",
        ),
        (
            "elsewhere/values.yaml",
            String::new(),
            "neither compose.yaml nor Chart.yaml",
        ),
        ("watch.tgz", String::new(), "is there twice"),
    ];
    for (file, content, expected) in &cases {
        let directory = sample();
        let components = directory.path().join("components");
        write_tree(&components, &[(file, content)]);
        let error = find(directory.path()).unwrap_err();
        assert!(
            matches!(error, PublishError::Misfit { .. }),
            "{file}: {error:?}"
        );
        let place = components.join(file.split(['/', '.']).next().unwrap());
        assert!(
            error.artefact().starts_with(place.to_str().unwrap()),
            "{error}"
        );
        assert!(error.to_string().contains(expected), "{error}");
    }
    let directory = sample();
    write_tree(
        directory.path(),
        &[("components/watch-chart/Chart.yaml", "{")],
    );
    let error = find(directory.path()).unwrap_err();
    assert!(matches!(error, PublishError::Chart { .. }), "{error}");
}
