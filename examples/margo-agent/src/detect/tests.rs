use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;

/// A tree with these files; a text that ends in `/` is a folder.
fn tree(files: &[(&str, &str)]) -> TempDir {
    let root = TempDir::new().unwrap();
    for (name, text) in files {
        let path = root.path().join(name);
        if name.ends_with('/') {
            fs::create_dir_all(&path).unwrap();
            continue;
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

fn detect(root: &Path) -> DeviceProperties {
    let id = DeviceId::parse("line-4").unwrap();
    let machine = Machine::at(root, &root.join("not/made/yet"));
    let found = machine.capabilities(id, vec![DeploymentType::Compose], true);
    found.properties
}

fn interfaces(found: &DeviceProperties) -> Vec<String> {
    let all = found.interfaces.iter().flatten();
    all.map(|it| it.interface_type.to_string()).collect()
}

#[test]
fn an_industrial_pc_is_described() {
    let root = tree(&[
        ("sys/class/dmi/id/sys_vendor", "Example Industries\n"),
        ("sys/class/dmi/id/product_name", "Box 400 \n"),
        ("sys/class/dmi/id/product_serial", "SN-0042\n"),
        (
            "proc/cpuinfo",
            "processor\t: 0\nmodel name\t: Example processor\n",
        ),
        (
            "proc/meminfo",
            "MemTotal:        4194817 kB\nMemFree: 1 kB\n",
        ),
        ("sys/class/net/lo/type", "772\n"),
        ("sys/class/net/eth0/type", "1\n"),
        ("sys/class/net/eth0/device/", ""),
        ("sys/class/net/eth1/type", "1\n"),
        ("sys/class/net/eth1/device/", ""),
        ("sys/class/net/docker0/type", "1\n"),
        ("sys/class/net/wlan0/type", "1\n"),
        ("sys/class/net/wlan0/device/", ""),
        ("sys/class/net/wlan0/wireless/", ""),
        ("sys/class/net/can0/type", "280\n"),
        ("sys/class/net/wwan0/type", "65534\n"),
        ("sys/class/bluetooth/hci0/", ""),
        ("sys/bus/usb/devices/usb1/", ""),
        ("sys/class/drm/renderD128/", ""),
        ("sys/class/drm/card0-HDMI-A-1/status", "connected\n"),
        ("sys/class/video4linux/video0/", ""),
    ]);
    let found = detect(root.path());
    assert_eq!(found.vendor, "Example Industries");
    assert_eq!(found.model_number, "Box 400");
    assert_eq!(found.serial_number, "SN-0042");
    let cpus = found.cpus.as_ref().unwrap();
    assert_eq!(cpus.len(), 1);
    assert!((cpus[0].cores - 1.0).abs() < f64::EPSILON, "{cpus:?}");
    assert_eq!(found.memory, Some(Quantity::from_bytes(4096 << 20)));
    assert!(found.storage.is_some(), "{found:?}");
    assert_eq!(
        interfaces(&found),
        ["bluetooth", "canbus", "cellular", "ethernet", "usb", "wifi"]
    );
    let peripherals = found.peripherals.unwrap();
    let kinds: Vec<_> = peripherals
        .iter()
        .map(|it| it.peripheral_type.to_string())
        .collect();
    assert_eq!(kinds, ["gpu", "display", "camera"]);
}

#[test]
fn a_board_says_who_it_is_in_its_device_tree() {
    let root = tree(&[
        ("sys/firmware/devicetree/base/model", "Example Board 5\0"),
        (
            "sys/firmware/devicetree/base/serial-number",
            "10000000abcd\0",
        ),
        ("sys/class/drm/card0-HDMI-A-1/status", "disconnected\n"),
    ]);
    let found = detect(root.path());
    assert_eq!(found.model_number, "Example Board 5");
    assert_eq!(found.serial_number, "10000000abcd");
    assert_eq!(found.vendor, "unknown");
    assert_eq!(found.peripherals, Some(Vec::new()));
}

#[test]
fn what_a_machine_does_not_say_is_left_to_its_owner() {
    let root = tree(&[
        ("proc/meminfo", "MemTotal: much\n"),
        ("sys/class/dmi/id/sys_vendor", "  \n"),
    ]);
    let found = detect(root.path());
    assert_eq!(found.vendor, "unknown");
    assert_eq!(found.memory, None);
    assert!(found.cpus.unwrap()[0].cores >= 1.0);
    assert!(found.interfaces.unwrap().is_empty());
}
