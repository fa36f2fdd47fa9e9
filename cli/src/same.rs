//! Whether two names refer to the same file, through any links.

use std::path::Path;

/// Whether both exist and are the same file. Only regular files are compared: anything else, such as
/// a terminal, may be both read and written, and a pipe must not be opened to look at it.
pub(super) fn one(a: &Path, b: &Path) -> bool {
    a.is_file() && b.is_file() && same_file::is_same_file(a, b).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_has_many_names() {
        let folder = tempfile::tempdir().unwrap();
        let name = |name| folder.path().join(name);
        fs::write(name("a"), "").unwrap();
        fs::write(name("b"), "").unwrap();
        fs::hard_link(name("a"), name("c")).unwrap();
        assert!(one(&name("a"), &name("c")));
        assert!(one(&name("a"), &folder.path().join(".").join("a")));
        assert!(!one(&name("a"), &name("b")));
        assert!(!one(&name("gone"), &name("gone")));
        assert!(!one(folder.path(), folder.path()));
    }
}
