//! Whether a machine has anything that could be a GPU, also one that no backend reads.

use std::path::Path;

use super::nvml;

/// Files in sysfs that only a driver of a GPU makes, as classes of devices: NVIDIA's (of Jetsons), AMD's,
/// and those of phones' GPUs on small boards.
const CLASSES: [&str; 5] = ["nvidia-gpu", "kfd", "nvhost", "mali_kbase", "kgsl"];

/// The door to the GPU in a guest of Windows.
const WINDOWS: &str = "devices/virtual/misc/dxg";

/// Where the kernel lists what can draw or compute; a board's console adapter is a `card` only.
const RENDER_NODES: &str = "class/drm";

/// NVIDIA, as PCI numbers makers.
const NVIDIA: &str = "0x10de";

/// How the class of a device on PCI begins that draws, or computes as cards without a plug for a screen do.
const DISPLAY: &str = "0x03";

/// Whether there is anything that could be a GPU, by what the kernel lists. Where that cannot be read,
/// there may be one. `sysfs` and `procfs`: usually `/sys` and `/proc`.
pub fn any_device(sysfs: &Path, procfs: &Path) -> bool {
    let classes = CLASSES.map(|class| sysfs.join("class").join(class));
    let files = [sysfs.join(WINDOWS), procfs.join("driver/nvidia")];
    if classes.iter().chain(&files).any(|file| file.exists()) {
        return true;
    }
    match std::fs::read_dir(sysfs.join(RENDER_NODES)) {
        Ok(nodes) => nodes.flatten().any(|node| node.file_name().to_string_lossy().starts_with("renderD")),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

/// Backends of whose maker PCI lists a card that no driver has taken: the module was not built for the new kernel, or
/// not loaded. One that is given to a virtual machine has a driver (vfio). `sysfs`: usually `/sys`.
pub fn without_driver(sysfs: &Path) -> Vec<&'static str> {
    let read = |device: &Path, file: &str| std::fs::read_to_string(device.join(file)).unwrap_or_default();
    let is_idle_card = |device: &Path| {
        read(device, "vendor").trim() == NVIDIA
            && read(device, "class").starts_with(DISPLAY)
            && !device.join("driver").exists()
    };
    let devices = std::fs::read_dir(sysfs.join("bus/pci/devices")).into_iter().flatten().flatten();
    if devices.map(|device| device.path()).any(|device| is_idle_card(&device)) {
        vec![nvml::BACKEND.name]
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_render_node_or_a_drivers_file_may_be_a_gpu_and_a_consoles_adapter_is_none() {
        let found = |paths: &[&str]| {
            let root = tempfile::tempdir().unwrap();
            for path in paths {
                std::fs::create_dir_all(root.path().join(path)).unwrap();
            }
            any_device(&root.path().join("sys"), &root.path().join("proc"))
        };
        assert!(!found(&[]) && !found(&["sys/class/drm/card0", "proc/driver/rtc"]));
        assert!(found(&["sys/class/drm/card0", "sys/class/drm/renderD128"]));
        assert!(found(&["proc/driver/nvidia"]));
        assert!(found(&["sys/class/kfd"]) && found(&["sys/devices/virtual/misc/dxg"]));
    }

    #[test]
    fn a_card_that_no_driver_has_taken_is_found_on_pci() {
        let told = |vendor: &str, class: &str, taken: bool| {
            let sysfs = tempfile::tempdir().unwrap();
            let device = sysfs.path().join("bus/pci/devices/0000:3b:00.0");
            std::fs::create_dir_all(&device).unwrap();
            std::fs::write(device.join("vendor"), format!("{vendor}\n")).unwrap();
            std::fs::write(device.join("class"), format!("{class}\n")).unwrap();
            if taken {
                std::fs::create_dir(device.join("driver")).unwrap();
            }
            without_driver(sysfs.path())
        };
        assert_eq!(told("0x10de", "0x030200", false), ["nvml"]);
        assert_eq!(told("0x10de", "0x030000", false), ["nvml"]);
        assert_eq!(told("0x10de", "0x030000", true), [""; 0], "a virtual machine has it");
        assert_eq!(told("0x10de", "0x040300", false), [""; 0], "its sound");
        assert_eq!(told("0x1002", "0x030000", false), [""; 0]);
    }
}
