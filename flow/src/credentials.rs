//! A user's name and password at a server, from a file or the environment; never from the command
//! line.

use std::fs;
use std::io::Read;
use std::path::Path;

/// A file with a name and a password is not longer than this.
const LARGEST: u64 = 64 << 10;

/// The names of the two environment variables of a kind of server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variables {
    pub(crate) user: &'static str,
    pub(crate) password: &'static str,
}

/// The name and the password, from the file if there is one, else from the environment, if set.
///
/// # Errors
/// A sentence: the file cannot be read, is readable by others, or one of the two is missing.
pub(crate) fn read(
    file: Option<&Path>,
    variables: Variables,
) -> Result<Option<(String, String)>, String> {
    match file {
        Some(file) => of_file(file).map(Some),
        None => of_environment(variables),
    }
}

fn of_environment(variables: Variables) -> Result<Option<(String, String)>, String> {
    let Variables { user, password } = variables;
    match (std::env::var(user), std::env::var(password)) {
        (Ok(user), Ok(password)) => Ok(Some((user, password))),
        (Err(_), Err(_)) => Ok(None),
        _ => Err(format!(
            "{user} and {password} belong together; set both or neither"
        )),
    }
}

/// Reads lines `username = …` and `password = …`, as in the credentials file of cqlsh. Sections,
/// comments and other keys are ignored.
fn of_file(file: &Path) -> Result<(String, String), String> {
    let named = |why: &dyn std::fmt::Display| format!("credentials {}: {why}", file.display());
    private(file).map_err(|why| named(&why))?;
    let mut text = String::new();
    fs::File::open(file)
        .and_then(|f| f.take(LARGEST).read_to_string(&mut text))
        .map_err(|e| named(&e))?;
    let value = |name: &str| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == name).then(|| value.trim().to_owned())
        })
    };
    match (value("username"), value("password")) {
        (Some(user), Some(password)) => Ok((user, password)),
        _ => Err(named(
            &"needs a line `username = …` and a line `password = …`",
        )),
    }
}

/// Refuses a file that others can read, as ssh does.
#[cfg(unix)]
fn private(file: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(file)
        .map_err(|e| e.to_string())?
        .permissions()
        .mode();
    match mode & 0o077 {
        0 => Ok(()),
        _ => Err("others can read it; run `chmod 600` on it".to_owned()),
    }
}

#[cfg(not(unix))]
fn private(_: &Path) -> Result<(), String> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_file_of_credentials_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cqlsh");
        fs::write(
            &file,
            "[PlainTextAuthProvider]\nusername = me\npassword = a = b\n",
        )
        .unwrap();
        let mode = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        mode(0o644);
        assert!(of_file(&file).unwrap_err().contains("chmod 600"));
        mode(0o600);
        let read = of_file(&file).unwrap();
        assert_eq!(read, ("me".to_owned(), "a = b".to_owned()));
    }
}
