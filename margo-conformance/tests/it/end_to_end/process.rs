//! Agents and fleet managers in processes of their own, to be killed.

use std::env;
use std::future::pending;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::runtime::Builder;

use super::files::{Keys, Plant, wfm_id};
use super::fleet_manager::{FleetManager, database};
use super::station::{Station, deployment};

/// This program once more, in another role. It is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Process(Child);

impl Process {
    /// An agent of the station of this client.
    pub(super) fn agent(plant: &Plant, client: &str, url: &str) -> Self {
        let folder = plant.folder(client);
        Self::start("agent", &[folder.to_str().unwrap(), client, url])
    }

    /// A fleet manager that publishes app-1 in this revision for a client.
    pub(super) fn wfm(plant: &Plant, port: u16, client: &str, revision: &str) -> Self {
        let (folder, database) = (plant.folder("wfm"), database(plant));
        let (folder, database) = (folder.to_str().unwrap(), database.to_str().unwrap());
        Self::start(
            "wfm",
            &[folder, database, &port.to_string(), client, revision],
        )
    }

    /// Kills it as the lack of memory would, and waits until it is gone.
    pub(super) fn kill(self) {
        drop(self);
    }

    fn start(role: &str, arguments: &[&str]) -> Self {
        let child = Command::new(env::current_exe().unwrap())
            .args(["--exact", HERE, "--nocapture"])
            .env(ROLE, role)
            .env(ARGUMENTS, arguments.join("\n"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// No test by itself: what [`Process`] runs.
#[test]
fn in_another_role() {
    let Ok(role) = env::var(ROLE) else { return };
    let arguments = env::var(ARGUMENTS).unwrap();
    let arguments: Vec<&str> = arguments.split('\n').collect();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let live = async {
            match (role.as_str(), arguments.as_slice()) {
                ("agent", [folder, client, url]) => {
                    let station = Station::at(&PathBuf::from(folder), client);
                    let _agent = station.start(url).await;
                    pending::<()>().await;
                }
                ("wfm", [folder, database, port, client, revision]) => {
                    let keys = Keys::at(&PathBuf::from(folder), wfm_id());
                    let port = port.parse().unwrap();
                    let wfm = FleetManager::start_at(&keys, &PathBuf::from(database), port).await;
                    wfm.publish(client, &[deployment(1, revision)]).await;
                    pending::<()>().await;
                }
                other => panic!("{other:?} is no role"),
            }
        };
        // Should nobody be there any more to kill it.
        let _ = tokio::time::timeout(LONGEST_LIFE, live).await;
    });
}

const HERE: &str = "end_to_end::process::in_another_role";
const ROLE: &str = "MARGO_TEST_ROLE";
const ARGUMENTS: &str = "MARGO_TEST_ARGUMENTS";
const LONGEST_LIFE: Duration = Duration::from_mins(5);
