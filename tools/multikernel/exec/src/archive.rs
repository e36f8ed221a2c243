// SPDX-License-Identifier: GPL-2.0

//! Files and directories as tar archives with one thing at the top.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

/// Writes what is at `path`, with all below it, as `name`. Links stay links.
pub fn pack(path: &Path, name: &OsStr, to: impl Write) -> io::Result<()> {
    let mut builder = tar::Builder::new(to);
    // What is named is meant, not a link to it; below it links are copied.
    let meta = std::fs::metadata(path)?;
    if meta.is_dir() {
        builder.follow_symlinks(false);
        builder.append_dir_all(name, path)?;
    } else {
        builder.append_path_with_name(path, name)?;
    }
    builder.into_inner()?.flush()
}

/// Where something called `name` goes if it is copied to `path`: below it if that is a
/// directory. Returns the directory and what it is called there.
pub fn target(path: &Path, name: &OsStr) -> io::Result<(PathBuf, PathBuf)> {
    if path.is_dir() {
        return Ok((path.to_owned(), name.into()));
    }
    let name = path.file_name().ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("there is no directory `{}`", path.display()),
        )
    })?;
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    if !parent.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("there is no directory `{}`", parent.display()),
        ));
    }
    Ok((parent.to_owned(), name.into()))
}

/// Reads an archive of which the top is `name` into `directory`. Nothing else is written, whatever the
/// archive says; and nothing is setuid: it belongs to who unpacks it.
pub fn unpack(from: impl Read, directory: &Path, name: &Path) -> io::Result<()> {
    let mut archive = tar::Archive::new(from);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let is_ours = path.components().next().map(Component::as_os_str) == Some(name.as_os_str());
        if !is_ours || !entry.unpack_in(directory)? {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "the archive has `{}`, which does not belong there",
                    path.display()
                ),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::fs;
    use std::os::unix::fs::{symlink, PermissionsExt};

    #[test]
    fn a_directory_is_the_same_afterwards() {
        let scratch = tempfile::tempdir().unwrap();
        let from = scratch.path().join("from");
        fs::create_dir_all(from.join("a/b")).unwrap();
        fs::write(from.join("a/b/file"), "contents").unwrap();
        fs::set_permissions(from.join("a/b/file"), fs::Permissions::from_mode(0o4755)).unwrap();
        symlink("b/file", from.join("a/link")).unwrap();

        let mut archive = Vec::new();
        pack(&from, OsStr::new("to"), &mut archive).unwrap();
        unpack(&*archive, scratch.path(), Path::new("to")).unwrap();
        let to = scratch.path().join("to");
        assert_eq!(fs::read(to.join("a/b/file")).unwrap(), b"contents");
        let mode = fs::metadata(to.join("a/b/file"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o755);
        assert_eq!(
            fs::read_link(to.join("a/link")).unwrap(),
            Path::new("b/file")
        );
    }

    #[test]
    fn targets_are_those_of_cp() {
        let scratch = tempfile::tempdir().unwrap();
        let here = scratch.path();
        let name = OsStr::new("name");
        assert_eq!(target(here, name).unwrap(), (here.into(), "name".into()));
        let other = here.join("other");
        assert_eq!(target(&other, name).unwrap(), (here.into(), "other".into()));
        assert!(target(&here.join("no/other"), name).is_err());
        assert!(target(Path::new("/.."), name).is_ok());
        assert_eq!(
            target(Path::new("no-such-thing"), name).unwrap(),
            (".".into(), "no-such-thing".into())
        );
    }

    /// An archive with one file.
    fn lie(path: &str) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(4);
        header.set_mode(0o644);
        header.set_cksum();
        let mut builder = tar::Builder::new(Vec::new());
        builder.append(&header, &b"evil"[..]).unwrap();
        builder.into_inner().unwrap()
    }

    #[test]
    fn nothing_else_is_written() {
        let scratch = tempfile::tempdir().unwrap();
        let into = scratch.path().join("into");
        fs::create_dir(&into).unwrap();
        for path in ["other", "../into/to", "/to", "to/../../other", ".", ""] {
            assert!(
                unpack(&*lie(path), &into, Path::new("to")).is_err(),
                "{path}"
            );
        }
        // Through a link of its own.
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        builder
            .append_link(&mut header, "to", scratch.path())
            .unwrap();
        let mut archive = builder.into_inner().unwrap();
        archive.truncate(512);
        archive.extend(lie("to/other"));
        assert!(unpack(&*archive, &into, Path::new("to")).is_err());
        assert!(!scratch.path().join("other").exists() && !into.join("other").exists());
        unpack(&*lie("to"), scratch.path(), Path::new("to")).unwrap();
    }
}
