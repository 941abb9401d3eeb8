//! A container engine for the tests, with images of busybox.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use margo_types::Digest;
use serde_json::json;
use tempfile::TempDir;

/// An engine that answers.
pub(crate) struct TestEngine {
    host: String,
    /// The engine that was started for the tests, if one was.
    _private: Option<Private>,
}

/// Runs anything of busybox.
pub(crate) const IMAGE: &str = "margo-test/busybox:1";
/// The same, but said to be for a machine that this one is not.
pub(crate) const FOREIGN_IMAGE: &str = "margo-test/foreign:1";

impl TestEngine {
    /// The engine of this machine or, as root, a new one.
    ///
    /// # Errors
    /// What is missing.
    pub(crate) fn find_or_start() -> Result<Self, String> {
        for program in ["docker", "docker-compose"] {
            find(program)
                .ok_or_else(|| format!("{program} is missing; .ci/install installs it"))?;
        }
        let busybox = find("busybox").ok_or("busybox is missing; .ci/install installs it")?;
        let usual = std::env::var("DOCKER_HOST")
            .unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
        let engine = if answers(&usual) {
            Self {
                host: usual,
                _private: None,
            }
        } else {
            let private = Private::start()?;
            Self {
                host: private.host(),
                _private: Some(private),
            }
        };
        engine.import(&busybox)?;
        Ok(engine)
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// What a `docker` command prints; it must succeed.
    pub(crate) fn docker(&self, arguments: &[&str]) -> String {
        self.try_docker(arguments)
            .unwrap_or_else(|error| panic!("docker {arguments:?}: {error}"))
    }

    pub(crate) fn try_docker(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new("docker")
            .args(arguments)
            .env("DOCKER_HOST", &self.host)
            .output()
            .map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        }
    }

    fn import(&self, busybox: &Path) -> Result<(), String> {
        let folder = TempDir::new().map_err(|error| error.to_string())?;
        let bin = folder.path().join("root/bin");
        let archive = folder.path().join("root.tar").display().to_string();
        std::fs::create_dir_all(&bin).map_err(|error| error.to_string())?;
        std::fs::copy(busybox, bin.join("busybox")).map_err(|error| error.to_string())?;
        for name in [
            "cat", "echo", "false", "ls", "sh", "sleep", "test", "touch", "true",
        ] {
            std::os::unix::fs::symlink("busybox", bin.join(name))
                .map_err(|error| error.to_string())?;
        }
        let tar = Command::new("tar")
            .args(["-C", &folder.path().join("root").display().to_string()])
            .args(["-cf", &archive, "."])
            .status();
        if !tar.is_ok_and(|status| status.success()) {
            return Err("tar is missing or does not work".to_owned());
        }
        self.try_docker(&["import", &archive, IMAGE])?;
        self.load_foreign(folder.path())
    }

    /// The same file system again, as an image that says it is for another machine.
    fn load_foreign(&self, folder: &Path) -> Result<(), String> {
        let failed = |error: std::io::Error| error.to_string();
        let root = std::fs::read(folder.join("root.tar")).map_err(failed)?;
        let layers = json!({"type": "layers", "diff_ids": [Digest::of(&root)]});
        let about = json!({"architecture": "s390x", "os": "linux", "config": {}, "rootfs": layers});
        let index =
            json!([{"Config": "config.json", "RepoTags": [FOREIGN_IMAGE], "Layers": ["root.tar"]}]);
        std::fs::write(folder.join("config.json"), about.to_string()).map_err(failed)?;
        std::fs::write(folder.join("manifest.json"), index.to_string()).map_err(failed)?;
        let image = folder.join("image.tar").display().to_string();
        let packed = Command::new("tar")
            .args(["-C", &folder.display().to_string(), "-cf", &image])
            .args(["config.json", "manifest.json", "root.tar"])
            .status();
        packed.map_err(failed)?;
        self.try_docker(&["load", "-i", &image])?;
        Ok(())
    }
}

/// A `dockerd` of our own, ended on drop.
struct Private {
    daemon: Child,
    folder: TempDir,
}

impl Private {
    fn start() -> Result<Self, String> {
        let program = find("dockerd").ok_or("dockerd is missing; .ci/install installs it")?;
        if !is_root() {
            return Err("no engine answers, and only root can start one".to_owned());
        }
        let folder = TempDir::with_prefix("margo-engine-").map_err(|error| error.to_string())?;
        let inner = |name: &str| folder.path().join(name).display().to_string();
        let log = std::fs::File::create(inner("log")).map_err(|error| error.to_string())?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let daemon = Command::new(program)
            .args(["-H", &format!("unix://{}", inner("docker.sock"))])
            .args(["--data-root", &inner("data"), "--exec-root", &inner("exec")])
            .args(["-p", &inner("pid"), "--bridge=none", "--iptables=false"])
            .stdout(Stdio::from(log))
            .stderr(Stdio::from(errors))
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut private = Self { daemon, folder };
        let deadline = Instant::now() + Duration::from_mins(1);
        while !answers(&private.host()) {
            let has_ended = private.daemon.try_wait().is_ok_and(|ended| ended.is_some());
            if has_ended || Instant::now() > deadline {
                let log = std::fs::read_to_string(private.folder.path().join("log"));
                let log = log.unwrap_or_default();
                let end = log.lines().last().unwrap_or_default();
                return Err(format!("dockerd does not come up here: {end}"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(private)
    }

    fn host(&self) -> String {
        let socket = self.folder.path().join("docker.sock");
        format!("unix://{}", socket.display())
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let terminate = ["-TERM".to_owned(), self.daemon.id().to_string()];
        let _ = Command::new("kill").args(terminate).status();
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            if self.daemon.try_wait().is_ok_and(|ended| ended.is_some()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn answers(host: &str) -> bool {
    let version = Command::new("docker")
        .args(["version", "--format", "{{.Server.Version}}"])
        .env("DOCKER_HOST", host)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// The owner of our own process entry is who we are.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|entry| entry.uid() == 0)
}
