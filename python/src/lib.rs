//! The module `dumpstream._dumpstream`: what the Python package `dumpstream` is made of.

mod input;
mod ranges;
mod rows;
mod setup;
mod source;
mod store;
mod texts;

use dumpstream_flow::causes::causes;
use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyFileNotFoundError, PyOSError, PyPermissionError};
use pyo3::prelude::*;

create_exception!(
    _dumpstream,
    Error,
    PyException,
    "An input, or what is written to, cannot be used."
);

/// An error of the system as Python's own, with the program's text.
fn os_error(error: &std::io::Error, about: Option<&str>) -> PyErr {
    let text = match about {
        Some(about) => format!("{about}: {}", causes(error)),
        None => causes(error),
    };
    match error.kind() {
        std::io::ErrorKind::NotFound => PyFileNotFoundError::new_err(text),
        std::io::ErrorKind::PermissionDenied => PyPermissionError::new_err(text),
        _ => PyOSError::new_err(text),
    }
}

#[pymodule]
fn _dumpstream(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("Error", module.py().get_type::<Error>())?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<setup::Setup>()?;
    module.add_class::<input::Reading>()?;
    module.add_class::<store::Store>()?;
    module.add_function(wrap_pyfunction!(input::read, module)?)?;
    module.add_function(wrap_pyfunction!(rows::parse_batch, module)?)?;
    module.add_function(wrap_pyfunction!(ranges::divisible, module)?)?;
    module.add_function(wrap_pyfunction!(ranges::scan, module)?)?;
    module.add_function(wrap_pyfunction!(ranges::fold, module)?)?;
    module.add_function(wrap_pyfunction!(ranges::read_range, module)?)?;
    Ok(())
}
