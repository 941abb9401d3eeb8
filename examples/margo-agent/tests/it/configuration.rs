//! The configuration that is handed out as an example.

use crate::support::Place;

/// The example with everything in it that is commented out.
fn complete(example: &str) -> String {
    let is_setting = |line: &str| line.contains(" = ") || line.starts_with('[');
    let lines = example.lines().map(|line| match line.strip_prefix("# ") {
        Some(setting) if is_setting(setting) => setting,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_configuration_for_development_is_understood() {
    let place = Place::alone();
    place.write("margo-agent.toml", include_str!("../../development.toml"));
    let (code, message) = place.failure(&["status"]);
    assert_eq!(code, 1, "{message}");
}

#[test]
fn the_example_is_understood_also_with_everything_in_it() {
    let example = include_str!("../../margo-agent.example.toml");
    let complete = complete(example);
    assert!(complete.contains("\n[schedule]"), "{complete}");
    for text in [example, &complete] {
        let place = Place::alone();
        place.write("margo-agent.toml", text);
        // Read, and no agent runs: that is all there is to say.
        let (code, message) = place.failure(&["status"]);
        assert_eq!(code, 1, "{message}");
    }
}
