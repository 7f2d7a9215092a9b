//! Writes the records of a log as JSON, one to a line.

use std::io::Write;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::WalError;
use crate::hash::Hash;
use crate::reader::Reader;

/// A record's line.
#[derive(Serialize)]
struct Line<T> {
    sequence: u64,
    hash: Hash,
    record: T,
}

impl Reader {
    /// Writes the records that are still to come as JSON lines, each verified and decoded as a `T`
    /// before its line is written, and says how many there were. Needs the feature `json`.
    ///
    /// A line is an object: `sequence`, a number; `hash`, the record's hash in 64 lower-case
    /// hexadecimal digits; `record`, what `T` serialises to. Integers are written in full, beyond
    /// 2^53 too, so a reader of the lines must not parse them as floating point. Each line is one
    /// call of `out`, so hand over a buffered writer.
    ///
    /// ```
    /// use calybris_wal::{Reader, WalOptions, WalWriter};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Call {
    ///     model: String,
    ///     cost_microunits: u64,
    /// }
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("log");
    /// let writer = WalWriter::open(&path, &WalOptions::new(1))?;
    /// writer.append(&Call { model: "model-a".to_owned(), cost_microunits: u64::MAX })?;
    ///
    /// let mut lines = Vec::new();
    /// assert_eq!(Reader::open(&path, None)?.export_json_lines::<Call>(&mut lines)?, 1);
    /// let line = String::from_utf8(lines)?;
    /// assert!(line.starts_with(r#"{"sequence":1,"hash":""#));
    /// let record = r#""record":{"model":"model-a","cost_microunits":18446744073709551615}}"#;
    /// assert!(line.trim_end().ends_with(record));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of reading, [`WalError::Decode`] for a record that is no `T`, and
    /// [`WalError::Export`] when the record has no form in JSON or `out` fails. All whole lines
    /// before have been written; of the record's own line nothing, unless `out` failed.
    pub fn export_json_lines<T: Serialize + DeserializeOwned>(
        self,
        mut out: impl Write,
    ) -> Result<u64, WalError> {
        let (mut line, mut count, mut last) = (Vec::new(), 0, 0);
        let failed = |sequence, source| WalError::Export { sequence, source };
        for record in self {
            let record = record?;
            last = record.sequence();
            let form = Line { sequence: last, hash: record.hash(), record: record.decode::<T>()? };
            line.clear();
            serde_json::to_writer(&mut line, &form).map_err(|error| failed(last, error.into()))?;
            line.push(b'\n');
            out.write_all(&line).map_err(|error| failed(last, error))?;
            count += 1;
        }
        out.flush().map_err(|error| failed(last, error))?;
        Ok(count)
    }
}
