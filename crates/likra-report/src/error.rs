//! Why a report could not be written.

use std::io;

use plotters::drawing::DrawingAreaErrorKind;

/// The result of this crate's fallible functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be written; the message names it.
    #[error(transparent)]
    Io(#[from] io::Error),

    /// A figure could not be drawn.
    #[error("cannot draw `{figure}`: {source}")]
    Draw {
        /// The figure's title.
        figure: String,
        /// What the drawing library said.
        source: DrawingAreaErrorKind<io::Error>,
    },
}
