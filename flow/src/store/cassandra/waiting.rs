//! What is not there yet.

/// Why the tables are not ready.
#[derive(Clone, Debug)]
pub(crate) enum Pending {
    /// Something does not exist yet: what, and what would create it.
    Wait(String),
    /// No waiting can repair it.
    Never(Halt),
}

/// Why a sink ends.
#[derive(Clone, Debug)]
pub(crate) enum Halt {
    Refused(String),
    Column {
        column: String,
        found: String,
        wanted: &'static str,
    },
}

impl Halt {
    pub(crate) fn text(&self) -> String {
        match self {
            Halt::Refused(why) => why.clone(),
            Halt::Column {
                column,
                found,
                wanted,
            } => format!("column `{column}` is {found} there but must be {wanted}"),
        }
    }
}
