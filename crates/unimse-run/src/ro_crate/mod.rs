//! `ro-crate-metadata.json`: what a run folder holds and how it came about, after RO-Crate 1.1 (<https://w3id.org/ro/crate/1.1>).
//!
//! `parts` lists the files, `entities` says what they are of. The only time is that of the last opening of the test split, which `receipts.jsonl` has.

mod entities;
mod parts;
mod time;

use std::collections::BTreeMap;

pub use parts::address;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Results, ResultsError, RunFolder, artefact};

/// Name of the file; a folder that holds one is a crate.
pub const RO_CRATE: &str = "ro-crate-metadata.json";

/// The context of RO-Crate 1.1.
const CONTEXT: &str = "https://w3id.org/ro/crate/1.1/context";
/// A term that the context of 1.1 lacks.
const SHA256: (&str, &str) = ("sha256", "https://schema.org/sha256");

/// The whole file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RoCrate {
    /// The context of RO-Crate 1.1, and the terms it lacks.
    #[serde(rename = "@context")]
    pub context: (String, BTreeMap<String, String>),
    /// The file itself, the folder, its parts, and what they refer to.
    #[serde(rename = "@graph")]
    pub graph: Vec<Entity>,
}

/// A reference to another entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Its `@id`.
    #[serde(rename = "@id")]
    pub id: String,
}

impl Link {
    /// A reference to the entity of this `@id`.
    #[must_use]
    pub fn to(id: &str) -> Self {
        Self { id: id.to_owned() }
    }
}

/// An entity of the graph, with those properties of schema.org that runs need.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Entity {
    /// Path below the run folder, address, or `#name`.
    #[serde(rename = "@id")]
    pub id: String,
    /// `File`, `Dataset`, `CreateAction` ...
    #[serde(rename = "@type")]
    pub kind: String,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The specification that it follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conforms_to: Option<Link>,
    /// What it describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<Link>,
    /// Bytes, in decimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_size: Option<String>,
    /// SHA-256 in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Media type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding_format: Option<String>,
    /// Version of a program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Commit of its sources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
    /// ISO 8601.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date_published: Option<String>,
    /// ISO 8601.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<String>,
    /// Its terms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license: Option<Link>,
    /// Files and folders in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub has_part: Vec<Link>,
    /// What it refers to beside its parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<Link>,
    /// The program of an action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instrument: Option<Link>,
    /// What an action was done with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub object: Vec<Link>,
    /// What came out of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub result: Vec<Link>,
    /// The publication that it implements.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub citation: Vec<Link>,
}

impl Entity {
    fn new(id: &str, kind: &str, name: &str) -> Self {
        Self {
            id: id.to_owned(),
            kind: kind.to_owned(),
            name: Some(name.to_owned()),
            ..Self::default()
        }
    }

    fn link(&self) -> Link {
        Link::to(&self.id)
    }
}

impl RoCrate {
    /// Describes a run folder with results; a folder below it that is a crate of its own, as that of a seed, is one part.
    ///
    /// # Errors
    /// `results.json` or a file of the folder cannot be read.
    pub fn of(run: &RunFolder) -> Result<Self, ResultsError> {
        let results = Results::read(&run.results())?;
        let parts = parts::below(&run.run)?;
        let opened = time::last_opening(run)?;
        let provenance = entities::provenance(run)?;
        let mut graph = vec![Entity {
            about: Some(Link::to("./")),
            conforms_to: Some(Link::to("https://w3id.org/ro/crate/1.1")),
            id: RO_CRATE.to_owned(),
            kind: "CreativeWork".to_owned(),
            ..Entity::default()
        }];
        graph.push(entities::root(&results, &parts, opened));
        graph.push(entities::terms(&results));
        graph.extend(entities::action(&parts, &provenance, opened));
        graph.extend(parts);
        let terms = BTreeMap::from([(SHA256.0.to_owned(), SHA256.1.to_owned())]);
        let context = (CONTEXT.to_owned(), terms);
        Ok(Self { context, graph })
    }

    /// [`RoCrate::of`] into the run folder. The same files give the same bytes.
    ///
    /// # Errors
    /// As [`RoCrate::of`]; the file cannot be written.
    pub fn write(run: &RunFolder) -> Result<(), ResultsError> {
        let path = run.metadata();
        Ok(artefact::write_json(&path, &Self::of(run)?)?)
    }
}

#[cfg(test)]
mod tests;
