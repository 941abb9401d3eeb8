//! What this machine is and offers, read from Linux's `/proc` and `/sys`.
//!
//! A first draft for the owner of the device: reported is what is delegated to Margo, and only they know how much that is.

use std::fs;
use std::path::{Path, PathBuf};

use margo_types::application::{Architecture, DeploymentType};
use margo_types::capabilities::{
    Cpu, DeviceCapabilities, DeviceProperties, Interface, InterfaceType, Peripheral,
    PeripheralType, Runtime,
};
use margo_types::id::DeviceId;
use margo_types::scalar::Quantity;

use crate::files;

/// The machine's file systems, as this process sees them.
pub(crate) struct Machine {
    root: PathBuf,
    storage: PathBuf,
}

impl Machine {
    /// This machine, with workloads kept in the file system that `storage` is on.
    pub(crate) fn this(storage: &Path) -> Self {
        Self::at(Path::new("/"), storage)
    }

    /// A machine whose `/proc` and `/sys` are below `root`.
    pub(crate) fn at(root: &Path, storage: &Path) -> Self {
        Self {
            root: root.to_owned(),
            storage: storage.to_owned(),
        }
    }

    /// The capabilities of a host of these deployment types. Whether a collector runs cannot be seen from here: `collector` says so.
    pub(crate) fn capabilities(
        &self,
        id: DeviceId,
        types: Vec<DeploymentType>,
        collector: bool,
    ) -> DeviceCapabilities {
        let identity = |name: &str| {
            self.text(&format!("sys/class/dmi/id/{name}"))
                .or_else(|| self.device_tree(name))
                .unwrap_or_else(|| UNKNOWN.to_owned())
        };
        let mut properties = DeviceProperties::new(
            id,
            identity("sys_vendor"),
            identity("product_name"),
            identity("product_serial"),
        );
        properties.cpus = Some(vec![Cpu::new(self.cores(), architecture())]);
        properties.memory = self.memory();
        properties.storage = self.free_storage();
        properties.peripherals = Some(self.peripherals());
        properties.interfaces = Some(self.interfaces());
        properties.otel_collector = Some(collector);
        properties.supported_runtimes = Some(vec![Runtime::Oci]);
        properties.supported_deployment_types = Some(types);
        DeviceCapabilities::new(properties)
    }

    fn cores(&self) -> f64 {
        let cpuinfo = self.text("proc/cpuinfo").unwrap_or_default();
        let listed = cpuinfo
            .lines()
            .filter(|line| {
                line.split(':')
                    .next()
                    .is_some_and(|key| key.trim() == "processor")
            })
            .count();
        // A container or service may be allowed fewer than the machine has.
        let allowed = std::thread::available_parallelism().map_or(1, usize::from);
        let cores = if listed == 0 {
            allowed
        } else {
            listed.min(allowed)
        };
        u32::try_from(cores).map_or(f64::MAX, f64::from)
    }

    fn memory(&self) -> Option<Quantity> {
        let meminfo = self.text("proc/meminfo")?;
        let total = meminfo
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"))?;
        let kibibytes: u64 = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(Quantity::from_bytes(in_mebibytes(
            kibibytes.saturating_mul(1024),
        )))
    }

    fn free_storage(&self) -> Option<Quantity> {
        // The directory itself may not have been made yet.
        let there = self.storage.ancestors().find(|folder| folder.exists())?;
        let space = rustix::fs::statvfs(there).ok()?;
        Some(Quantity::from_bytes(in_mebibytes(
            space.f_bavail.saturating_mul(space.f_frsize),
        )))
    }

    fn peripherals(&self) -> Vec<Peripheral> {
        let seen = |folder: &str, prefix: &str| {
            self.names(folder)
                .iter()
                .any(|name| name.starts_with(prefix))
        };
        let mut peripherals = Vec::new();
        for (is_there, kind) in [
            (seen("sys/class/drm", "renderD"), PeripheralType::Gpu),
            (self.has_display(), PeripheralType::Display),
            (
                seen("sys/class/video4linux", "video"),
                PeripheralType::Camera,
            ),
        ] {
            if is_there {
                peripherals.push(Peripheral::new(kind));
            }
        }
        peripherals
    }

    fn has_display(&self) -> bool {
        let connectors = self.names("sys/class/drm");
        connectors.iter().any(|connector| {
            let status = self.text(&format!("sys/class/drm/{connector}/status"));
            status.as_deref() == Some("connected")
        })
    }

    /// One entry for each kind of interface, however many there are.
    fn interfaces(&self) -> Vec<Interface> {
        let mut kinds = Vec::new();
        for name in self.names("sys/class/net") {
            let device = format!("sys/class/net/{name}");
            let arphrd = self.text(&format!("{device}/type"));
            let kind = match arphrd.as_deref() {
                Some(ARPHRD_CAN) => InterfaceType::Canbus,
                Some(ARPHRD_ETHER) if self.exists(&format!("{device}/wireless")) => {
                    InterfaceType::Wifi
                }
                Some(_) if name.starts_with("wwan") => InterfaceType::Cellular,
                // bridges and the like of container engines have no device behind them
                Some(ARPHRD_ETHER) if self.exists(&format!("{device}/device")) => {
                    InterfaceType::Ethernet
                }
                _ => continue,
            };
            kinds.push(kind);
        }
        for (folder, kind) in [
            ("sys/class/bluetooth", InterfaceType::Bluetooth),
            ("sys/bus/usb/devices", InterfaceType::Usb),
        ] {
            if !self.names(folder).is_empty() {
                kinds.push(kind);
            }
        }
        kinds.sort_by_key(ToString::to_string);
        kinds.dedup();
        kinds.into_iter().map(Interface::new).collect()
    }

    /// Boards without DMI say who they are in their device tree.
    fn device_tree(&self, name: &str) -> Option<String> {
        let file = match name {
            "product_name" => "model",
            "product_serial" => "serial-number",
            _ => return None,
        };
        self.text(&format!("sys/firmware/devicetree/base/{file}"))
    }

    /// The text of a file without blanks and NULs around it; `None` when there is none or it is empty.
    fn text(&self, path: &str) -> Option<String> {
        let bytes = files::read(&self.root.join(path)).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.root.join(folder))
            .into_iter()
            .flatten()
            .flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn exists(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }
}

/// The architecture this program was built for, as the specification names it.
fn architecture() -> Option<Architecture> {
    match std::env::consts::ARCH {
        "x86_64" => Some(Architecture::Amd64),
        "aarch64" => Some(Architecture::Arm64),
        "arm" => Some(Architecture::Arm),
        _ => None,
    }
}

/// Rounded down: nobody plans with less.
const fn in_mebibytes(bytes: u64) -> u64 {
    bytes >> 20 << 20
}

/// The model requires a text where a machine does not say.
const UNKNOWN: &str = "unknown";
/// `ARPHRD_ETHER` and `ARPHRD_CAN` of the Linux kernel, as `/sys/class/net/*/type` has them.
const ARPHRD_ETHER: &str = "1";
const ARPHRD_CAN: &str = "280";

#[cfg(test)]
mod tests;
