//! Credentials as Docker, Helm and Skopeo leave them.

use std::path::Path;

#[cfg(unix)]
use margo_conformance::program;
use margo_package::oci::{CredentialSource as _, Credentials, DockerConfig, OciError, Secret};

async fn lookup(config: &str, registry: &str) -> Result<Option<Credentials>, OciError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.json");
    std::fs::write(&path, config).expect("a file");
    DockerConfig::at(path).credentials(registry).await
}

#[tokio::test]
async fn entries_are_found_by_host_however_they_are_written() {
    // demo:pass:word
    let config = r#"{"auths":{
        "registry.example:5000":{"auth":"ZGVtbzpwYXNzOndvcmQ="},
        "https://other.example/v2/":{"username":"u","password":"p"},
        "https://index.docker.io/v1/":{"identitytoken":"refresh"},
        "part.example/apps":{"auth":"ZGVtbzpwYXNzOndvcmQ="},
        "token.example":{"registrytoken":"bearer"}
    }}"#;
    let found = async |registry| lookup(config, registry).await.expect("a lookup");
    let password = Credentials::password("demo", "pass:word");
    assert_eq!(found("registry.example:5000").await, Some(password));
    assert_eq!(
        found("registry.example").await,
        None,
        "another port is another registry"
    );
    assert_eq!(
        found("other.example").await,
        Some(Credentials::password("u", "p"))
    );
    let refresh = Credentials::RefreshToken(Secret::from("refresh"));
    assert_eq!(found("docker.io").await, Some(refresh));
    assert_eq!(
        found("part.example").await,
        None,
        "an entry for a part is not for the whole"
    );
    let bearer = Credentials::BearerToken(Secret::from("bearer"));
    assert_eq!(found("token.example").await, Some(bearer));
}

#[tokio::test]
async fn no_file_means_anonymous_and_a_broken_one_is_an_error_without_secrets() {
    let missing = DockerConfig::at(Path::new("/nowhere/at/all/config.json"));
    assert_eq!(
        missing
            .credentials("registry.example")
            .await
            .expect("nothing"),
        None
    );
    for config in [
        r#"{"auths":{"a.example":{"auth":5,"password":"swordfish"}}}"#,
        "swordfish",
        r#"{"auths":{"a.example":{"auth":"swordfish%"}}}"#,
    ] {
        let error = lookup(config, "a.example").await.expect_err(config);
        let text = format!("{error} {error:?}");
        assert!(!text.contains("swordfish"), "{text}");
        assert!(
            error
                .to_string()
                .contains("repair the file or log in again"),
            "{error}"
        );
    }
}

/// Runs the current test again in a process of its own with these variables, because a test must not
/// change the environment of its neighbours.
#[cfg(unix)]
fn with_helper(script: &str, test: &str) -> std::process::Output {
    let folder = tempfile::tempdir().expect("a folder");
    let helper = folder.path().join("docker-credential-fake");
    program::write(&helper, script);
    std::fs::write(
        folder.path().join("config.json"),
        r#"{"credHelpers":{"registry.example":"fake"}}"#,
    )
    .expect("a file");
    let path = format!(
        "{}:{}",
        folder.path().display(),
        std::env::var("PATH").expect("PATH")
    );
    std::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", test, "--nocapture"])
        .env("PATH", path)
        .env("DOCKER_CONFIG", folder.path())
        .env("FLEET_SECRET", "do not tell")
        .env("HELPER_IS_THERE", "yes")
        .output()
        .expect("the test again")
}

#[cfg(unix)]
fn ask_user_config(timeout: std::time::Duration) -> Result<Option<Credentials>, OciError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let config = DockerConfig::of_user()
        .expect("a configuration")
        .helper_timeout(timeout);
    runtime
        .expect("a runtime")
        .block_on(config.credentials("registry.example"))
}

#[cfg(unix)]
#[test]
fn a_helper_gets_the_host_on_its_input_and_a_cleared_environment() {
    if std::env::var_os("HELPER_IS_THERE").is_some() {
        let found = ask_user_config(std::time::Duration::from_mins(1)).expect("an answer");
        assert_eq!(
            found,
            Some(Credentials::password("registry.example get", "none"))
        );
        return;
    }
    let script = "#!/bin/sh\nread -r server || true\nprintf '{\"Username\":\"%s %s\",\"Secret\":\"%s\"}' \"$server\" \"$1\" \"${FLEET_SECRET:-none}\"\n";
    let output = with_helper(
        script,
        "oci::credentials::a_helper_gets_the_host_on_its_input_and_a_cleared_environment",
    );
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[cfg(unix)]
#[test]
fn a_helper_that_hangs_or_fails_is_named() {
    if std::env::var_os("HELPER_IS_THERE").is_some() {
        let error = ask_user_config(std::time::Duration::from_millis(500)).expect_err("no answer");
        assert!(
            error.to_string().contains("docker-credential-fake failed"),
            "{error}"
        );
        return;
    }
    for script in [
        "#!/bin/sh\nexec sleep 60\n",
        "#!/bin/sh\nexit 3\n",
        "#!/bin/sh\necho '{}'\n",
        "#!/bin/sh\nyes\n",
    ] {
        let output = with_helper(
            script,
            "oci::credentials::a_helper_that_hangs_or_fails_is_named",
        );
        assert!(
            output.status.success(),
            "{script}: {}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}

#[tokio::test]
async fn a_helper_outside_the_search_path_is_not_run() {
    let error = lookup(r#"{"credsStore":"../../tmp/evil"}"#, "registry.example").await;
    assert!(
        error
            .expect_err("a path")
            .to_string()
            .contains("its name is not plain letters")
    );
}
