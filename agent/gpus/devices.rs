//! Whether a machine has anything that could be a GPU, also one that no backend reads.

use std::path::Path;

/// Files in sysfs that only a driver of a GPU makes, as classes of devices: NVIDIA's (of Jetsons), AMD's,
/// and those of phones' GPUs on small boards.
const CLASSES: [&str; 5] = ["nvidia-gpu", "kfd", "nvhost", "mali_kbase", "kgsl"];

/// The door to the GPU in a guest of Windows.
const WINDOWS: &str = "devices/virtual/misc/dxg";

/// Where the kernel lists what can draw or compute; a board's console adapter is a `card` only.
const RENDER_NODES: &str = "class/drm";

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
}
