//! Whether a machine has anything that could be a GPU, also one that no backend reads.

use std::path::Path;

/// Files that only a driver of a GPU makes: NVIDIA's (of cards, of Jetsons), AMD's, that of a guest of
/// Windows, and those of phones' GPUs on small boards.
const FILES: [&str; 8] = [
    "proc/driver/nvidia",
    "dev/nvidiactl",
    "dev/nvmap",
    "dev/nvhost-gpu",
    "dev/kfd",
    "dev/dxg",
    "dev/mali0",
    "dev/kgsl-3d0",
];

/// Where the kernel lists what can draw or compute; a board's console adapter is a `card` only.
const RENDER_NODES: &str = "sys/class/drm";

/// Whether there is anything that could be a GPU, by the files below that root, usually `/`. Where
/// they cannot be read, there may be one.
pub fn any_device(root: &Path) -> bool {
    if FILES.iter().any(|file| root.join(file).exists()) {
        return true;
    }
    match std::fs::read_dir(root.join(RENDER_NODES)) {
        Ok(nodes) => nodes.flatten().any(|node| node.file_name().to_string_lossy().starts_with("renderD")),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_render_node_or_a_drivers_file_may_be_a_gpu_and_a_consoles_adapter_is_none() {
        let root = tempfile::tempdir().unwrap();
        let make = |path: &str| std::fs::create_dir_all(root.path().join(path)).unwrap();
        assert!(!any_device(root.path()));
        make("sys/class/drm/card0");
        assert!(!any_device(root.path()));
        make("sys/class/drm/renderD128");
        assert!(any_device(root.path()));
        for file in FILES {
            let root = tempfile::tempdir().unwrap();
            std::fs::create_dir_all(root.path().join(file)).unwrap();
            assert!(any_device(root.path()), "{file}");
        }
    }
}
