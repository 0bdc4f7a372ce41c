//! CSV with a header; errors count lines from 1, the header among them.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Result, anyhow};

use super::{Cell, Sink, position, wrong};

pub(super) fn read(path: &Path, columns: &[String], sink: &mut Sink<'_>) -> Result<()> {
    let failed = |error: csv::Error| anyhow!("{}: {}", path.display(), in_words(&error, path));
    let mut reader = csv::Reader::from_reader(unimse_formats::open_file(path)?);
    let headers = reader.headers().map_err(failed)?.clone();
    let names: Vec<&str> = headers.iter().map(str::trim).collect();
    let places = columns.iter().map(|column| position(path, &names, column));
    let places: Vec<usize> = places.collect::<Result<_>>()?;
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(failed)? {
        let line = || record.position().map_or(1, |place| line_of(place, path));
        let cell = |&at: &usize| {
            let bytes = record.get(at).unwrap_or_default();
            std::str::from_utf8(bytes).map(Cell::Text)
        };
        let cells: Result<Vec<Cell<'_>>, _> = places.iter().map(cell).collect();
        let cells =
            cells.map_err(|_| anyhow!("{}: line {}: {NOT_UTF8}", path.display(), line()))?;
        sink(&cells).map_err(|cell| wrong(path, &format!("line {}", line()), columns, &cell))?;
    }
    Ok(())
}

const NOT_UTF8: &str = "expected UTF-8, found other bytes";

/// What is wrong with the file, by the line it stands in.
fn in_words(error: &csv::Error, path: &Path) -> String {
    let line = error.position().map_or(1, |place| line_of(place, path));
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("line {line}: expected {expected_len} fields as in the header, found {len}"),
        csv::ErrorKind::Utf8 { .. } => format!("line {line}: {NOT_UTF8}"),
        _ => error.to_string(),
    }
}

/// The line that a record begins on: its own position is that of the empty lines before it.
fn line_of(position: &csv::Position, path: &Path) -> u64 {
    position.line() + empty_lines(position.byte(), path).unwrap_or_default()
}

fn empty_lines(from: u64, path: &Path) -> std::io::Result<u64> {
    let mut file = BufReader::new(File::open(path)?);
    file.seek(SeekFrom::Start(from))?;
    let mut lines = 0;
    loop {
        let bytes = file.fill_buf()?;
        let blank = bytes.iter().take_while(|byte| b"\r\n".contains(byte));
        let (count, all) = (blank.count(), bytes.len());
        lines += bytes[..count].iter().filter(|byte| **byte == b'\n').count() as u64;
        file.consume(count);
        if count < all || all == 0 {
            return Ok(lines);
        }
    }
}
