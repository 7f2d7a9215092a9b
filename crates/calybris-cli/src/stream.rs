//! Lines that are written as they come, to standard output or to a new file.

use std::fmt::{Display, Write as _};
use std::io::{BufWriter, ErrorKind, Stdout, Write};

use crate::failure::Failure;
use crate::new_file::{Draft, NewFile};
use crate::visible::visible;

/// Lines that are written as they come: to standard output or to a new file, which is there once the last is written.
pub(crate) struct Stream {
    to: BufWriter<To>,
    /// What failures call it.
    name: String,
    closed: bool,
    /// What is being written.
    text: String,
}

enum To {
    Stdout(Stdout),
    File(Draft),
}

impl Stream {
    /// To standard output.
    pub(crate) fn stdout() -> Self {
        Self::to(To::Stdout(std::io::stdout()), "standard output".to_owned())
    }

    /// To a new file.
    pub(crate) fn file(file: &NewFile) -> Result<Self, Failure> {
        Ok(Self::to(To::File(file.begin()?), file.path().display().to_string()))
    }

    fn to(to: To, name: String) -> Self {
        Self {
            to: BufWriter::with_capacity(64 << 10, to),
            name,
            closed: false,
            text: String::new(),
        }
    }

    /// Whether the reader has left: whoever makes the lines may stop.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Writes a line. After the reader has left it writes nothing.
    pub(crate) fn line(&mut self, text: impl Display) -> Result<(), Failure> {
        self.write(format_args!("{text}\n"))
    }

    /// Writes a text without a line end of its own.
    pub(crate) fn write(&mut self, text: std::fmt::Arguments<'_>) -> Result<(), Failure> {
        if self.closed {
            return Ok(());
        }
        self.text.clear();
        // Writing to a `String` does not fail.
        let _ = self.text.write_fmt(text);
        let written = match self.to.get_ref() {
            To::Stdout(_) => self.to.write_all(visible(&self.text).as_bytes()),
            // A file has the data as it is.
            To::File(_) => self.to.write_all(self.text.as_bytes()),
        };
        self.note(written)
    }

    /// Hands what was written to the reader.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        if self.closed {
            return Ok(());
        }
        let flushed = self.to.flush();
        self.note(flushed)
    }

    /// Ends the stream: a file gets its name.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.flush()?;
        let kept = match self.to.into_inner() {
            Ok(To::Stdout(_)) => Ok(()),
            Ok(To::File(draft)) => draft.keep(),
            Err(_) if self.closed => Ok(()),
            Err(error) => Err(error.into_error()),
        };
        kept.map_err(|error| Failure::unwritten(&self.name, &error))
    }

    fn note(&mut self, written: std::io::Result<()>) -> Result<(), Failure> {
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(error) => Err(Failure::unwritten(&self.name, &error)),
            Ok(()) => Ok(()),
        }
    }
}

impl Write for To {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.write(bytes),
            Self::File(draft) => draft.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::File(draft) => draft.flush(),
        }
    }
}
