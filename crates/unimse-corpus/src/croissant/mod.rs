//! `croissant.json`: what the utterance tables of a folder hold, after Croissant 1.0 (<http://mlcommons.org/croissant/1.0>). Columns and their types
//! are those that the files have.

mod describe;

use std::collections::BTreeMap;

use serde::Serialize;

pub(crate) use describe::write;

/// The whole file.
#[derive(Serialize)]
struct Croissant {
    #[serde(rename = "@context")]
    context: BTreeMap<&'static str, Term>,
    #[serde(rename = "@type")]
    kind: &'static str,
    name: &'static str,
    #[serde(rename = "conformsTo")]
    conforms_to: &'static str,
    description: String,
    license: String,
    version: String,
    #[serde(rename = "citeAs")]
    cite_as: String,
    distribution: Vec<FileObject>,
    #[serde(rename = "recordSet")]
    record_sets: Vec<RecordSet>,
}

/// What a word of the file means.
#[derive(Serialize)]
#[serde(untagged)]
enum Term {
    Address(&'static str),
    Typed {
        #[serde(rename = "@id")]
        id: &'static str,
        #[serde(rename = "@type")]
        kind: &'static str,
    },
}

/// A table.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FileObject {
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "@id")]
    id: String,
    name: String,
    description: String,
    content_url: String,
    content_size: String,
    encoding_format: &'static str,
    sha256: String,
}

/// The rows of a table.
#[derive(Serialize)]
struct RecordSet {
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "@id")]
    id: String,
    name: String,
    description: String,
    field: Vec<Field>,
}

/// A column.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Field {
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "@id")]
    id: String,
    name: String,
    description: String,
    data_type: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    repeated: bool,
    source: Source,
}

/// Where a column is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    file_object: Link,
    extract: Extract,
}

#[derive(Serialize)]
struct Link {
    #[serde(rename = "@id")]
    id: String,
}

#[derive(Serialize)]
struct Extract {
    column: String,
}

/// The context that the specification gives (its appendix), without which its readers warn.
fn context() -> BTreeMap<&'static str, Term> {
    let addresses = [
        ("@language", "en"),
        ("@vocab", "https://schema.org/"),
        ("citeAs", "cr:citeAs"),
        ("column", "cr:column"),
        ("conformsTo", "dct:conformsTo"),
        ("cr", "http://mlcommons.org/croissant/"),
        ("rai", "http://mlcommons.org/croissant/RAI/"),
        ("dct", "http://purl.org/dc/terms/"),
        ("equivalentProperty", "cr:equivalentProperty"),
        ("extract", "cr:extract"),
        ("field", "cr:field"),
        ("fileProperty", "cr:fileProperty"),
        ("fileObject", "cr:fileObject"),
        ("fileSet", "cr:fileSet"),
        ("format", "cr:format"),
        ("includes", "cr:includes"),
        ("isLiveDataset", "cr:isLiveDataset"),
        ("jsonPath", "cr:jsonPath"),
        ("key", "cr:key"),
        ("md5", "cr:md5"),
        ("parentField", "cr:parentField"),
        ("path", "cr:path"),
        ("recordSet", "cr:recordSet"),
        ("references", "cr:references"),
        ("regex", "cr:regex"),
        ("repeated", "cr:repeated"),
        ("replace", "cr:replace"),
        ("samplingRate", "cr:samplingRate"),
        ("sc", "https://schema.org/"),
        ("separator", "cr:separator"),
        ("source", "cr:source"),
        ("subField", "cr:subField"),
        ("transform", "cr:transform"),
    ];
    let typed = [
        ("data", "cr:data", "@json"),
        ("dataType", "cr:dataType", "@vocab"),
        ("examples", "cr:examples", "@json"),
    ];
    let addresses = addresses.map(|(word, address)| (word, Term::Address(address)));
    let typed = typed.map(|(word, id, kind)| (word, Term::Typed { id, kind }));
    addresses.into_iter().chain(typed).collect()
}
