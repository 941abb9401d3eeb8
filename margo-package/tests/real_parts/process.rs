//! Programs that tests start, and end.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use margo_conformance::program;
use tempfile::TempDir;

/// Where a program is; tools of `.ci/install` count too.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/ci-tools/bin");
    let mut folders = std::env::split_paths(&path).chain([own]);
    folders.find_map(|folder| Some(folder.join(program)).filter(|path| path.is_file()))
}

/// Runs a program to its end and gives what it printed; it must succeed.
pub(crate) fn run(program: &str, arguments: &[&str], environment: &[(&str, &Path)]) -> String {
    let path = find(program).expect("the trial checked that it is there");
    let output = Command::new(path)
        .args(arguments)
        .envs(environment.iter().copied())
        .output()
        .expect("the program runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {text}{errors}"
    );
    text
}

/// A `docker-registry` on a loopback port, until it is dropped.
pub(crate) struct Registry {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Registry {
    /// Starts a registry; `auth` and `tls` are sections of its configuration.
    pub(crate) fn start(folder: TempDir, auth: &str, tls: &str) -> Self {
        // Somebody may take the port in between: then the registry does not come up, and another is tried.
        for _ in 0..5 {
            let address = SocketAddr::from(([127, 0, 0, 1], program::free_port()));
            let storage = folder.path().join("storage");
            let configuration = format!(
                "version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\n\
                 storage:\n  filesystem:\n    rootdirectory: {}\n{auth}http:\n  addr: {address}\n{tls}",
                storage.display(),
            );
            let path = folder.path().join("config.yml");
            std::fs::write(&path, configuration).expect("a configuration");
            let registry = find("docker-registry").expect("the trial checked that it is there");
            let mut child = Command::new(registry)
                .arg("serve")
                .arg(&path)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("the registry starts");
            if is_up(&mut child, address) {
                return Self {
                    child,
                    address,
                    _folder: folder,
                };
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("docker-registry does not come up");
    }

    pub(crate) fn plain() -> Self {
        Self::start(tempfile::tempdir().expect("a folder"), "", "")
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_up(child: &mut Child, address: SocketAddr) -> bool {
    let deadline = Instant::now() + Duration::from_mins(1);
    while Instant::now() < deadline {
        if child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return false;
        }
        if TcpStream::connect(address).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}
