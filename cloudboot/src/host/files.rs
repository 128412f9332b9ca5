//! Files of the host: rooted, atomic, mode-preserving.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use super::error::{Error, Kind, Result};
use super::watch::{Deed, Watch};

/// The header that marks a text file as ours: `# managed by cloudboot: <deployment>`.
pub fn owner_mark(deployment: &str) -> String {
    format!("# managed by cloudboot: {deployment}")
}

/// The deployment that a text's owner mark names, if one of its first lines is one.
pub fn marked_by(text: &str) -> Option<&str> {
    text.lines()
        .take(5)
        .find_map(|l| l.strip_prefix("# managed by cloudboot: "))
        .map(str::trim)
}

/// The files of a host. Paths are the host's own (`/etc/hostname`); on a lab host they lie under its folder.
#[derive(Clone)]
pub struct Files {
    root: PathBuf,
    space: Option<Space>,
    watch: Option<Watch>,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").field("root", &self.root).finish()
    }
}

/// Room on a file system, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Its size.
    pub total: u64,
    /// What an unprivileged writer may still use.
    pub available: u64,
}

impl Files {
    /// The files of this machine.
    pub fn system() -> Self {
        Self::rooted("/")
    }

    /// The files below a folder that stands for `/`.
    pub fn rooted(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            space: None,
            watch: None,
        }
    }

    /// With every change told to `watch` first.
    #[must_use]
    pub(super) fn watched(mut self, watch: Watch) -> Self {
        self.watch = Some(watch);
        self
    }

    fn tell(&self, what: &'static str, path: &Path) {
        if let Some(watch) = &self.watch {
            watch(&Deed::File(what, path));
        }
    }

    /// With this much room, whatever the file system below has.
    #[must_use]
    pub fn with_space(mut self, space: Space) -> Self {
        self.space = Some(space);
        self
    }

    /// Where a path of the host lies for this process. `..` never leaves the root.
    pub fn resolve(&self, path: impl AsRef<Path>) -> PathBuf {
        let mut real = self.root.clone();
        let mut depth = 0usize;
        for part in path.as_ref().components() {
            match part {
                Component::Normal(name) => {
                    real.push(name);
                    depth += 1;
                }
                Component::ParentDir if depth > 0 => {
                    real.pop();
                    depth -= 1;
                }
                _ => {}
            }
        }
        real
    }

    async fn blocking<T: Send + 'static>(
        &self,
        operation: String,
        path: &Path,
        work: impl FnOnce(PathBuf) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let real = self.resolve(path);
        match tokio::task::spawn_blocking(move || work(real)).await {
            Ok(done) => done.map_err(|e| Error::io(operation, e)),
            Err(e) => Err(Error::new(Kind::Failed, operation, e.to_string())),
        }
    }

    /// The bytes of a file.
    pub async fn read(&self, path: impl AsRef<Path>) -> Result<Vec<u8>> {
        let path = path.as_ref();
        self.blocking(format!("read {}", path.display()), path, fs::read)
            .await
    }

    /// The text of a file, `None` if there is no such file.
    pub async fn read_text(&self, path: impl AsRef<Path>) -> Result<Option<String>> {
        let path = path.as_ref();
        match self.read(path).await {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Ok(Some(text)),
                Err(e) => Err(Error::new(
                    Kind::Malformed,
                    format!("read {}", path.display()),
                    "it is not UTF-8",
                )
                .with_source(e)),
            },
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Replaces a file in one step, so that a reader or a kill sees the old or the new one, never a part.
    ///
    /// The folder is made if it is missing. `mode` is the new file's; without one an existing file keeps its mode
    /// (and in any case its owner), and a new one gets 0644.
    pub async fn write(
        &self,
        path: impl AsRef<Path>,
        content: impl Into<Vec<u8>>,
        mode: Option<u32>,
    ) -> Result<()> {
        let path = path.as_ref();
        self.tell("write", path);
        let content = content.into();
        self.blocking(format!("write {}", path.display()), path, move |real| {
            write_atomic(&real, &content, mode)
        })
        .await
    }

    /// Writes in place, as the kernel's own files (`/proc/sys`) want it.
    pub async fn write_in_place(
        &self,
        path: impl AsRef<Path>,
        content: impl Into<Vec<u8>>,
    ) -> Result<()> {
        let path = path.as_ref();
        self.tell("write", path);
        let content = content.into();
        self.blocking(format!("write {}", path.display()), path, move |real| {
            fs::OpenOptions::new()
                .write(true)
                .truncate(true)
                .open(real)?
                .write_all(&content)
        })
        .await
    }

    /// Removes a file; that it is not there is no error. Tells whether it was.
    pub async fn remove(&self, path: impl AsRef<Path>) -> Result<bool> {
        let path = path.as_ref();
        self.tell("remove", path);
        self.blocking(
            format!("remove {}", path.display()),
            path,
            |real| match fs::remove_file(real) {
                Ok(()) => Ok(true),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
                Err(e) => Err(e),
            },
        )
        .await
    }

    /// Moves a file within one file system, replacing what is there.
    pub async fn rename(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<()> {
        let (from, to) = (from.as_ref(), to.as_ref());
        self.tell("move", from);
        let target = self.resolve(to);
        self.blocking(
            format!("move {} to {}", from.display(), to.display()),
            from,
            move |real| fs::rename(real, target),
        )
        .await
    }

    /// Makes a folder with its parents; one that exists is left as it is.
    pub async fn mkdir(&self, path: impl AsRef<Path>, mode: u32) -> Result<()> {
        let path = path.as_ref();
        self.tell("make the folder", path);
        self.blocking(
            format!("make the folder {}", path.display()),
            path,
            move |real| {
                if real.is_dir() {
                    return Ok(());
                }
                fs::create_dir_all(&real)?;
                fs::set_permissions(&real, fs::Permissions::from_mode(mode))
            },
        )
        .await
    }

    /// Removes a folder with all that it holds; that it is not there is no error.
    pub async fn remove_dir(&self, path: impl AsRef<Path>) -> Result<bool> {
        let path = path.as_ref();
        self.tell("remove", path);
        self.blocking(
            format!("remove the folder {}", path.display()),
            path,
            |real| match fs::remove_dir_all(real) {
                Ok(()) => Ok(true),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
                Err(e) => Err(e),
            },
        )
        .await
    }

    /// Whether a file or folder is there.
    pub async fn exists(&self, path: impl AsRef<Path>) -> Result<bool> {
        let path = path.as_ref();
        self.blocking(format!("look for {}", path.display()), path, |real| {
            real.try_exists()
        })
        .await
    }

    /// A file's permission bits.
    pub async fn mode(&self, path: impl AsRef<Path>) -> Result<u32> {
        let path = path.as_ref();
        self.blocking(
            format!("read the mode of {}", path.display()),
            path,
            |real| Ok(fs::metadata(real)?.permissions().mode() & 0o7777),
        )
        .await
    }

    /// Sets a file's permission bits.
    pub async fn set_mode(&self, path: impl AsRef<Path>, mode: u32) -> Result<()> {
        let path = path.as_ref();
        self.tell("set the mode of", path);
        self.blocking(
            format!("set the mode of {}", path.display()),
            path,
            move |real| fs::set_permissions(real, fs::Permissions::from_mode(mode)),
        )
        .await
    }

    /// The names in a folder, sorted; none if there is no such folder.
    pub async fn list(&self, path: impl AsRef<Path>) -> Result<Vec<String>> {
        let path = path.as_ref();
        self.blocking(format!("list {}", path.display()), path, |real| {
            let entries = match fs::read_dir(real) {
                Ok(entries) => entries,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(e) => return Err(e),
            };
            let mut names = Vec::new();
            for entry in entries {
                names.push(entry?.file_name().to_string_lossy().into_owned());
            }
            names.sort();
            Ok(names)
        })
        .await
    }

    /// Where a symbolic link points; `None` if the path is no link.
    pub async fn link_target(&self, path: impl AsRef<Path>) -> Result<Option<PathBuf>> {
        let path = path.as_ref();
        self.blocking(
            format!("read the link {}", path.display()),
            path,
            |real| match fs::read_link(real) {
                Ok(target) => Ok(Some(target)),
                Err(e)
                    if matches!(
                        e.kind(),
                        std::io::ErrorKind::NotFound | std::io::ErrorKind::InvalidInput
                    ) =>
                {
                    Ok(None)
                }
                Err(e) => Err(e),
            },
        )
        .await
    }

    /// The room of the file system that holds a path, or that would hold it.
    pub async fn space(&self, path: impl AsRef<Path>) -> Result<Space> {
        if let Some(space) = self.space {
            return Ok(space);
        }
        let path = path.as_ref();
        self.blocking(
            format!("measure the file system of {}", path.display()),
            path,
            |mut real| {
                while !real.exists() && real.pop() {}
                let stat = rustix::fs::statvfs(&real)?;
                Ok(Space {
                    total: stat.f_blocks * stat.f_frsize,
                    available: stat.f_bavail * stat.f_frsize,
                })
            },
        )
        .await
    }
}

fn write_atomic(real: &Path, content: &[u8], mode: Option<u32>) -> std::io::Result<()> {
    let folder = real.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let before = fs::symlink_metadata(real)
        .ok()
        .filter(fs::Metadata::is_file);
    let mode = mode.unwrap_or_else(|| {
        before
            .as_ref()
            .map_or(0o644, |m| m.permissions().mode() & 0o7777)
    });
    // The temporary file starts as 0600: a secret is never readable in between.
    let mut temporary = tempfile::Builder::new()
        .prefix(".cloudboot-")
        .permissions(fs::Permissions::from_mode(0o600))
        .tempfile_in(folder)?;
    temporary.write_all(content)?;
    if let Some(before) = before {
        let me = rustix::process::geteuid().as_raw();
        if me == 0 && (before.uid() != 0 || before.gid() != 0) {
            std::os::unix::fs::fchown(temporary.as_file(), Some(before.uid()), Some(before.gid()))?;
        }
    }
    temporary
        .as_file()
        .set_permissions(fs::Permissions::from_mode(mode))?;
    temporary.as_file().sync_all()?;
    temporary.persist(real).map_err(|e| e.error)?;
    // The rename itself is durable once the folder is.
    fs::File::open(folder)?.sync_all()
}
