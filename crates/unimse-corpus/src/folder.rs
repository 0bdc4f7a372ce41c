//! The files of one corpus folder, and its CSV tables with lines and columns by name.

use crate::{Code, CorpusError, finding::Findings, walk};
use std::{
    io::Read,
    path::{Path, PathBuf},
};
use unimse_formats::open_file;

/// A corpus folder and everything in it.
#[derive(Debug)]
pub(crate) struct Folder {
    /// The data folder, which names in findings are relative to.
    data: PathBuf,
    /// Name relative to the data folder.
    pub(crate) name: String,
    /// All files below, sorted by their relative name.
    pub(crate) files: Vec<PathBuf>,
}

impl Folder {
    /// Lists `data/<name>`, telling what cannot be read.
    pub(crate) fn open(data: &Path, name: &str, findings: &mut Findings) -> Self {
        let relative = |path: &Path| relative(data, path);
        Self {
            data: data.to_owned(),
            name: name.to_owned(),
            files: walk::files(&data.join(name), &relative, findings),
        }
    }

    /// The folder itself.
    pub(crate) fn root(&self) -> PathBuf {
        self.data.join(&self.name)
    }

    /// Path of a file for people and tables: relative to the data folder, with `/`.
    pub(crate) fn relative(&self, path: &Path) -> String {
        relative(&self.data, path)
    }

    /// Files with one of these endings (lower case).
    pub(crate) fn with_extension<'a>(
        &'a self,
        endings: &'a [&str],
    ) -> impl Iterator<Item = &'a Path> {
        self.files.iter().map(PathBuf::as_path).filter(move |path| {
            let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
            ending.is_some_and(|ending| endings.contains(&ending.as_str()))
        })
    }

    /// Every CSV table of the folder.
    pub(crate) fn tables(&self, findings: &mut Findings) -> Result<Vec<Table>, CorpusError> {
        self.with_extension(&["csv"])
            .map(|path| Table::read(path, self.relative(path), findings))
            .collect()
    }
}

fn relative(data: &Path, path: &Path) -> String {
    match path.strip_prefix(data) {
        Ok(inside) => inside
            .components()
            .map(|c| c.as_os_str().to_string_lossy())
            .collect::<Vec<_>>()
            .join("/"),
        Err(_) => path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy()
            .into_owned(),
    }
}

/// Text of a file: UTF-8, or Windows-1252 with a remark.
pub(crate) fn read_text(
    path: &Path,
    file: &str,
    findings: &mut Findings,
) -> Result<String, CorpusError> {
    let mut bytes = Vec::new();
    (open_file(path)?.read_to_end(&mut bytes)).map_err(CorpusError::io(path))?;
    Ok(match String::from_utf8(bytes) {
        Ok(text) => text
            .strip_prefix('\u{feff}')
            .map(str::to_owned)
            .unwrap_or(text),
        Err(error) => {
            let (text, _, _) = encoding_rs::WINDOWS_1252.decode(error.as_bytes());
            findings.add(
                Code::Encoding,
                file,
                None,
                "not UTF-8: read as Windows-1252",
            );
            text.into_owned()
        }
    })
}

/// A CSV file in memory.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) path: PathBuf,
    /// Name relative to the data folder.
    pub(crate) file: String,
    /// Column names as written.
    header: Vec<String>,
    /// Rows with the line they start on; rows of another length are left out with an error.
    pub(crate) rows: Vec<(u64, csv::StringRecord)>,
    /// What the rows are counted in: lines of the file from 1, the header among them, or rows from 1.
    unit: &'static str,
}

impl Table {
    pub(crate) fn read(
        path: &Path,
        file: String,
        findings: &mut Findings,
    ) -> Result<Self, CorpusError> {
        let text = read_text(path, &file, findings)?;
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .from_reader(text.as_bytes());
        let header = match reader.headers() {
            Ok(header) => header.iter().map(|name| name.trim().to_owned()).collect(),
            Err(_) => Vec::new(),
        };
        let mut table = Self {
            path: path.to_owned(),
            file,
            header,
            rows: Vec::new(),
            unit: "line",
        };
        for record in reader.into_records() {
            match record {
                Ok(record) => {
                    let line = record.position().map_or(1, |p| line_of(p, text.as_bytes()));
                    if record.len() == table.header.len() {
                        table.rows.push((line, record));
                    } else {
                        let message = format!(
                            "expected {} fields as in the header, found {}",
                            table.header.len(),
                            record.len()
                        );
                        findings.add(Code::CsvFields, &table.file, at(line), message);
                    }
                }
                Err(error) => {
                    let line = error.position().map(|p| line_of(p, text.as_bytes()));
                    findings.add(Code::Csv, &table.file, line.and_then(at), error.to_string());
                }
            }
        }
        Ok(table)
    }

    /// A table that another format held, whose rows are counted in `unit`.
    pub(crate) fn new(
        path: &Path,
        file: String,
        header: Vec<String>,
        rows: Vec<(u64, csv::StringRecord)>,
        unit: &'static str,
    ) -> Self {
        Self {
            path: path.to_owned(),
            file,
            header,
            rows,
            unit,
        }
    }

    /// A row as findings name it: `line 17`, or `row 17`.
    pub(crate) fn at(&self, number: u64) -> Option<String> {
        Some(format!("{} {number}", self.unit))
    }

    /// Column names as written.
    pub(crate) fn header(&self) -> &[String] {
        &self.header
    }

    /// Whether a column is there and some row has something in it.
    pub(crate) fn has(&self, column: Option<usize>) -> bool {
        let filled = |column: usize| {
            self.rows
                .iter()
                .any(|(_, row)| !row[column].trim().is_empty())
        };
        column.is_some_and(filled)
    }

    /// Tells if a column of this name is there twice, whatever its letter case: nobody could say which is meant.
    pub(crate) fn check_once(&self, name: &str, findings: &mut Findings) -> bool {
        let named = (self.header.iter()).filter(|column| column.eq_ignore_ascii_case(name));
        let named: Vec<&str> = named.map(String::as_str).collect();
        if named.len() > 1 {
            let message = format!("column {name}: expected once, found {}", named.join(", "));
            findings.add(Code::DuplicateColumn, &self.file, None, message);
        }
        named.len() <= 1
    }

    /// Position of the first of these columns that exists; letter case does not matter.
    pub(crate) fn find(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| {
            self.header
                .iter()
                .position(|column| column.eq_ignore_ascii_case(name))
        })
    }

    /// How many of these columns (alternatives joined by `|`) exist.
    pub(crate) fn matches(&self, columns: &[&str]) -> usize {
        columns
            .iter()
            .filter(|names| self.find(&names.split('|').collect::<Vec<_>>()).is_some())
            .count()
    }

    /// Positions of these columns (alternatives joined by `|`); an error finding names each that is missing, and
    /// one tells of a table without rows.
    pub(crate) fn require<const N: usize>(
        &self,
        columns: [&str; N],
        findings: &mut Findings,
    ) -> Option<[usize; N]> {
        let mut places = [0; N];
        let mut complete = true;
        if self.header.iter().all(String::is_empty) {
            let message = format!(
                "empty file: expected a header with columns {}, found no line",
                in_words(&columns)
            );
            findings.add(Code::EmptyCsv, &self.file, None, message);
            return None;
        }
        for (place, names) in places.iter_mut().zip(columns) {
            if let Some(found) = self.find(&names.split('|').collect::<Vec<_>>()) {
                *place = found;
                complete &= self.check_once(&self.header[found], findings);
            } else {
                let expected = names.replace('|', " or ");
                let message = format!(
                    "missing column: expected {expected}, found {}",
                    self.header.join(", ")
                );
                findings.add(Code::MissingColumn, &self.file, None, message);
                complete = false;
            }
        }
        if complete && self.rows.is_empty() {
            findings.add(
                Code::EmptyCsv,
                &self.file,
                None,
                "expected rows below the header, found none",
            );
            complete = false;
        }
        complete.then_some(places)
    }

    /// File name without its folder.
    pub(crate) fn short_name(&self) -> &str {
        self.file.rsplit('/').next().unwrap_or(&self.file)
    }

    /// The columns in words.
    pub(crate) fn columns(&self) -> String {
        if self.header.iter().all(String::is_empty) {
            "no columns".to_owned()
        } else {
            self.header.join(", ")
        }
    }
}

/// Columns, alternatives joined by `|`, for messages.
pub(crate) fn in_words(columns: &[&str]) -> String {
    columns.join(", ").replace('|', " or ")
}

/// The line that a record begins on: its own position is that of the empty lines before it.
fn line_of(position: &csv::Position, text: &[u8]) -> u64 {
    let from = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let rest = text.get(from..).unwrap_or_default();
    let blank = rest.iter().take_while(|byte| b"\r\n".contains(byte));
    position.line() + blank.filter(|byte| **byte == b'\n').count() as u64
}

/// A line as findings name it.
pub(crate) fn at(line: u64) -> Option<String> {
    Some(format!("line {line}"))
}
