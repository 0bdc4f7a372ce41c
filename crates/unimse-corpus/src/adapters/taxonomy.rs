//! The emotions of a table of the user's own: those of MELD, of IEMOCAP, or what `taxonomy.toml` beside the table describes.

use crate::{
    Code, CorpusError, Polarity, Taxonomy,
    finding::Findings,
    folder::{Folder, Table, at, read_text},
};
use unimse_labels::{CustomTaxonomy, IemocapEmotion, MeldEmotion, UnknownName};

/// Name of the description, beside the table.
pub(super) const FILE: &str = "taxonomy.toml";

/// Whether the column `taxonomy` begins with a name that only a description can explain.
pub(super) fn asked_for(table: &Table) -> bool {
    let first = table.find(&["taxonomy"]).zip(table.rows.first());
    first.is_some_and(|(column, (_, row))| builtin(&row[column]).is_none())
}

/// The taxonomy that the folder describes; `None` where it describes none, or a broken one.
pub(super) fn read(
    folder: &Folder,
    findings: &mut Findings,
) -> Result<Option<CustomTaxonomy>, CorpusError> {
    let path = folder.root().join(FILE);
    if !path.is_file() {
        return Ok(None);
    }
    let file = folder.relative(&path);
    let text = read_text(&path, &file, findings)?;
    match toml::from_str::<CustomTaxonomy>(&text) {
        Ok(own) if own.name().trim().is_empty() || builtin(own.name()).is_some() => {
            let message = format!(
                "field name: expected a name other than meld and iemocap, found {:?}",
                own.name()
            );
            findings.add(Code::Taxonomy, &file, None, message);
            Ok(None)
        }
        Ok(own) => Ok(Some(own)),
        Err(error) => {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.and_then(|text| at(text.matches('\n').count() as u64 + 1));
            findings.add(Code::Taxonomy, &file, line, error.message());
            Ok(None)
        }
    }
}

fn builtin(name: &str) -> Option<Taxonomy> {
    name.trim().to_lowercase().parse().ok()
}

/// How the words of the column `emotion` are read.
pub(super) struct Emotions {
    /// Classes of this taxonomy are the gold emotions that are scored.
    pub(super) scored: Taxonomy,
    /// The user's own classes, where the words are theirs.
    pub(super) own: Option<CustomTaxonomy>,
}

impl Emotions {
    /// As the column `taxonomy` says, in every row the same; `own` is what the folder describes.
    pub(super) fn find(
        table: &Table,
        own: Option<CustomTaxonomy>,
        findings: &mut Findings,
    ) -> Option<Self> {
        let [column] = table.require(["taxonomy"], findings)?;
        let is_own = |name: &str| own.as_ref().is_some_and(|own| own.name().trim() == name);
        let first = table.rows.first()?.1[column].trim();
        let scored = builtin(first);
        for (line, row) in &table.rows {
            let name = row[column].trim();
            let known = is_own(name) || builtin(name).is_some();
            if !known || is_own(name) != is_own(first) || builtin(name) != scored {
                let own = own.as_ref().map(|own| format!(" or {}", own.name()));
                let message = format!(
                    "column taxonomy: expected meld or iemocap{}, the same in every row, found {name:?}",
                    own.unwrap_or_default()
                );
                findings.add(Code::Taxonomy, &table.file, table.at(*line), message);
                return None;
            }
        }
        match scored {
            Some(scored) => Some(Self { scored, own: None }),
            None => own.map(Self::custom),
        }
    }

    /// Scored in the taxonomy that more of the classes have a counterpart in; MELD among equals.
    fn custom(own: CustomTaxonomy) -> Self {
        let [meld, iemocap] = counterparts(&own);
        let scored = if iemocap > meld {
            Taxonomy::Iemocap
        } else {
            Taxonomy::Meld
        };
        let own = Some(own);
        Self { scored, own }
    }

    /// The class that a word stands for in the scored taxonomy, and the polarity it implies.
    pub(super) fn class(
        &self,
        word: &str,
    ) -> Result<(Option<&'static str>, Option<Polarity>), UnknownName> {
        if let Some(own) = &self.own {
            let class = own.class(word)?;
            let emotion = match self.scored {
                Taxonomy::Meld => class.meld.map(MeldEmotion::name),
                Taxonomy::Iemocap => class.iemocap.map(IemocapEmotion::name),
            };
            return Ok((emotion, Some(class.polarity)));
        }
        let word = word.to_lowercase();
        Ok(match self.scored {
            Taxonomy::Meld => {
                let emotion: MeldEmotion = word.parse()?;
                (Some(emotion.name()), meld_polarity(emotion))
            }
            Taxonomy::Iemocap => {
                let emotion: IemocapEmotion = word.parse()?;
                (Some(emotion.name()), Some(emotion.polarity()))
            }
        })
    }
}

/// Reports what becomes of a description: how it is read, or that nothing asks for it.
pub(super) fn report(folder: &Folder, used: Option<&Emotions>, findings: &mut Findings) {
    let path = folder.root().join(FILE);
    let file = folder.relative(&path);
    match used.and_then(|used| Some((used.scored, used.own.as_ref()?))) {
        Some((scored, own)) => {
            let [meld, iemocap] = counterparts(own);
            let message = format!(
                "taxonomy {}: {} classes, {meld} with a meld emotion, {iemocap} with an iemocap emotion; scored as {scored}",
                own.name(),
                own.classes().len()
            );
            findings.add(Code::OwnTaxonomy, &file, None, message);
        }
        None if path.is_file() => {
            let message = "no column taxonomy names it: not used";
            findings.warn(Code::UnusedFile, &file, None, message);
        }
        None => {}
    }
}

/// How many classes have a counterpart in MELD and in IEMOCAP.
fn counterparts(own: &CustomTaxonomy) -> [usize; 2] {
    let classes = own.classes();
    [
        classes.iter().filter(|class| class.meld.is_some()).count(),
        classes
            .iter()
            .filter(|class| class.iemocap.is_some())
            .count(),
    ]
}

/// What a MELD emotion says of polarity where no column does: surprise may be either.
fn meld_polarity(emotion: MeldEmotion) -> Option<Polarity> {
    match emotion.name() {
        "neutral" => Some(Polarity::Neutral),
        "joy" => Some(Polarity::Positive),
        "surprise" => None,
        _ => Some(Polarity::Negative),
    }
}
