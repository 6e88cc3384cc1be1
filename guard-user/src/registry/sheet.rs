//! A sheet of CSV as spreadsheets and agencies write it: a heading, and rows found by its names.
//!
//! Knows encodings, quotes and line numbers; what the columns mean is the business of `join`.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use csv::{ByteRecord, ReaderBuilder};

use super::Misfit;
use crate::config::{ConfigError, FILE_BYTES_MAX, Problem};

/// Longest value: a quote that nobody closed swallows every line behind it.
const FIELD_BYTES_MAX: usize = 1000;

/// The columns that a sheet may have.
pub(super) struct Columns {
    /// Each of these has to be there.
    pub(super) required: &'static [&'static str],
    /// Names that have a meaning besides.
    pub(super) optional: &'static [&'static str],
    /// Whether others may be there, too.
    pub(super) others: bool,
}

/// A sheet, read.
pub(super) struct Sheet {
    /// Its name, for people.
    pub(super) file: String,
    /// Names of its columns, as [`plain`] writes them.
    heading: Vec<String>,
    /// Its rows that can be read.
    pub(super) rows: Vec<Row>,
    /// The others.
    pub(super) misfits: Vec<Misfit>,
}

/// A row, with its place.
pub(super) struct Row {
    /// The line it begins on.
    pub(super) line: u64,
    values: Vec<String>,
}

impl Sheet {
    /// Reads a file whole.
    pub(super) fn read(path: &Path, columns: &Columns) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        let bytes = bytes(path).map_err(|problem| ConfigError::file(file.as_str(), problem))?;
        Self::parse(&file, &bytes, columns)
            .map_err(|problem| ConfigError::file(file.as_str(), problem))
    }

    /// Reads a text.
    pub(super) fn parse(file: &str, bytes: &[u8], columns: &Columns) -> Result<Self, Problem> {
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            return Err(Problem::new("this is UTF-16", "save it as \"CSV UTF-8\""));
        }
        // The reader takes away a byte order mark of UTF-8.
        let mut reader = ReaderBuilder::new().flexible(true).has_headers(false).from_reader(bytes);
        let mut record = ByteRecord::new();
        let unreadable = |error: csv::Error| {
            Problem::new(format!("cannot be read as CSV: {error}"), "save it as CSV anew")
        };
        reader.read_byte_record(&mut record).map_err(unreadable)?;
        let heading: Vec<String> = record.iter().map(|name| plain(&text(name))).collect();
        has_columns(&record, &heading, columns)?;
        let mut sheet =
            Self { file: file.to_owned(), heading, rows: Vec::new(), misfits: Vec::new() };
        while reader.read_byte_record(&mut record).map_err(unreadable)? {
            let line = record.position().map_or(0, csv::Position::line);
            sheet.take(line, &record);
        }
        Ok(sheet)
    }

    fn take(&mut self, line: u64, record: &ByteRecord) {
        let values: Vec<String> =
            record.iter().map(|value| text(value).trim().to_owned()).collect();
        if values.iter().all(String::is_empty) {
            // Spreadsheets leave such lines at the end.
            return;
        }
        let (fields, columns) = (values.len(), self.heading.len());
        if let Some(long) = values.iter().map(String::len).find(|bytes| *bytes > FIELD_BYTES_MAX) {
            return self.misfit(
                line,
                format!("a value has {long} bytes, at most {FIELD_BYTES_MAX} make sense"),
                "see whether a quote is not closed: it swallows the lines that follow",
            );
        }
        if values.iter().skip(columns).any(|value| !value.is_empty()) {
            return self.misfit(
                line,
                format!("{fields} values for {columns} columns"),
                "put a value that has a comma in it into quotes",
            );
        }
        self.rows.push(Row { line, values });
    }

    /// Notes that a line does not fit.
    fn misfit(&mut self, line: u64, reason: impl Into<String>, next: impl Into<String>) {
        let Problem { reason, next } = Problem::new(reason, next);
        self.misfits.push(Misfit { file: self.file.clone(), line, psap: None, reason, next });
    }

    /// A value of a row; empty where the column or the value is missing.
    pub(super) fn value<'a>(&self, row: &'a Row, column: &str) -> &'a str {
        let place = self.heading.iter().position(|name| name == column);
        place.and_then(|place| row.values.get(place)).map_or("", String::as_str)
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, Problem> {
    let unreadable = |error: std::io::Error| {
        Problem::new(format!("cannot be read: {error}"), "check the path and its permissions")
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    // One byte more than allowed tells "too large" from "just fits".
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= FILE_BYTES_MAX) {
        return Ok(bytes);
    }
    let reason = format!("larger than {} MiB", FILE_BYTES_MAX >> 20);
    Err(Problem::new(reason, "see whether it is the right file"))
}

/// What is no UTF-8 is taken for Latin-1, which every byte is; control characters become spaces.
fn text(bytes: &[u8]) -> String {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    };
    text.replace(char::is_control, " ")
}

/// The name of a column without what people write differently: "PSAP ID", "psap_id", "PsapId".
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn has_columns(record: &ByteRecord, heading: &[String], columns: &Columns) -> Result<(), Problem> {
    let Columns { required, optional, others } = columns;
    let all = || required.iter().chain(optional.iter()).copied();
    let names = all().collect::<Vec<_>>().join(", ");
    let first = record.get(0).unwrap_or_default();
    if let (1, Some(other)) = (heading.len(), first.iter().find(|byte| b";\t|".contains(byte))) {
        let other = char::from(*other).escape_default();
        return Err(Problem::new(
            format!("the values are separated by '{other}'"),
            "save it with commas in between",
        ));
    }
    let is_there = |wanted: &&str| heading.iter().any(|name| *name == plain(wanted));
    if let Some(missing) = required.iter().find(|wanted| !is_there(wanted)) {
        return Err(Problem::new(
            format!("the first line names no column {missing:?}"),
            format!("make the first line a heading with these columns: {names}"),
        ));
    }
    let known = |name: &&String| name.is_empty() || all().any(|other| plain(other) == **name);
    if let Some(stray) = heading.iter().find(|name| !*others && !known(name)) {
        return Err(Problem::new(
            format!("there is no column {stray:?}"),
            format!("take it out, or write one of {names}"),
        ));
    }
    for (place, name) in heading.iter().enumerate() {
        if known(&name) && !name.is_empty() && heading.iter().skip(place + 1).any(|it| it == name) {
            return Err(Problem::new(
                format!("there are two columns {name:?}"),
                "take one of them out; a PSAP with several services has several lines",
            ));
        }
    }
    Ok(())
}
