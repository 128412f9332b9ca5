//! Images, built here.

use std::path::Path;

/// A unified image: `metadata.yaml` and `rootfs/`.
pub(crate) fn image_tarball(name: &str, runnable: bool) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut file = |path: &str, content: &[u8], mode: u32| {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        header.set_cksum();
        tar.append_data(&mut header, path, content).unwrap();
    };
    let metadata = format!(
        "architecture: x86_64\ncreation_date: 1700000000\nproperties:\n  description: {name}\n  os: busybox\n  release: test\n"
    );
    file("metadata.yaml", metadata.as_bytes(), 0o644);
    file("rootfs/etc/hostname", b"c\n", 0o644);
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .iter()
        .find(|p| Path::new(p).exists());
    if runnable {
        let bytes = std::fs::read(busybox.expect("busybox-static is needed to run containers"));
        file("rootfs/bin/busybox", &bytes.unwrap(), 0o755);
    }
    let mut dir = |path: &str| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        header.set_mode(0o755);
        header.set_cksum();
        tar.append_data(&mut header, path, std::io::empty())
            .unwrap();
    };
    for path in [
        "rootfs/dev",
        "rootfs/proc",
        "rootfs/sys",
        "rootfs/tmp",
        "rootfs/root",
        "rootfs/run",
        "rootfs/sbin",
    ] {
        dir(path);
    }
    if runnable {
        let mut link = |path: &str, to: &str| {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            header.set_mode(0o777);
            tar.append_link(&mut header, path, to).unwrap();
        };
        for applet in [
            "sh", "cat", "echo", "sleep", "true", "false", "env", "pwd", "id", "stty", "seq",
            "head", "wc", "kill",
        ] {
            link(&format!("rootfs/bin/{applet}"), "busybox");
        }
        link("rootfs/sbin/init", "../bin/busybox");
    }
    tar.into_inner().unwrap()
}

/// The same image as two files: metadata, and root file system.
pub(crate) fn split_image(name: &str, runnable: bool) -> (Vec<u8>, Vec<u8>) {
    let whole = image_tarball(name, runnable);
    let mut metadata = tar::Builder::new(Vec::new());
    let mut rootfs = tar::Builder::new(Vec::new());
    for entry in tar::Archive::new(&whole[..]).entries().unwrap() {
        let entry = entry.unwrap();
        let mut header = entry.header().clone();
        let path = entry.path().unwrap().into_owned();
        match path.strip_prefix("rootfs") {
            Ok(inside) if header.entry_type().is_symlink() => {
                let to = entry.link_name().unwrap().unwrap().into_owned();
                rootfs.append_link(&mut header, inside, to).unwrap();
            }
            Ok(inside) => rootfs.append_data(&mut header, inside, entry).unwrap(),
            Err(_) => metadata.append_data(&mut header, path, entry).unwrap(),
        }
    }
    (metadata.into_inner().unwrap(), rootfs.into_inner().unwrap())
}
