//! A test that lacks its tool is reported as ignored, with the reason in its name, and fails if it is
//! run all the same; with `CI=true` it is not ignored. Only a harness of our own can decide that when
//! it runs.

use libtest_mimic::{Failed, Trial};

/// A test, and what it needs of this machine.
pub fn trial(
    name: &str,
    needs: &[Result<(), String>],
    test: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let missing: Vec<_> = needs
        .iter()
        .filter_map(|need| need.as_ref().err())
        .cloned()
        .collect();
    if missing.is_empty() {
        return Trial::test(name, test);
    }
    let reason = missing.join(", ");
    let must = std::env::var("CI").is_ok_and(|ci| ci == "true");
    // The reason goes into the name in one line, whatever a tool said.
    let named = format!(
        "{name} (ignored: {})",
        reason.replace(char::is_control, " ")
    );
    let name = if must { name.to_owned() } else { named };
    Trial::test(name, move || Err(reason.into())).with_ignored_flag(!must)
}

/// A program on the path.
pub fn tool(name: &str) -> Result<(), String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    match std::env::split_paths(&path).any(|folder| folder.join(name).is_file()) {
        true => Ok(()),
        false => Err(format!("no {name}")),
    }
}
