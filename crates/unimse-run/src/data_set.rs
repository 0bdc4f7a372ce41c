//! What everybody must know who uses one of the four data sets, its features, or a model that learned from it.

/// A data set: what it is called, where its owners say what holds, and who must be cited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataSet {
    /// Name of its corpus: `mosi`, `mosei`, `meld`, `iemocap`.
    pub corpus: &'static str,
    /// Its name in the literature.
    pub title: &'static str,
    /// Page of its owners.
    pub url: &'static str,
    /// Its terms in one line. The owners' own text binds.
    pub terms: &'static str,
    /// The paper to cite.
    pub paper: &'static str,
    /// What is known of the people in it, and of whom it therefore says nothing.
    pub people: &'static str,
}

/// Terms of what the demo's generator made.
pub const SYNTHETIC_TERMS: &str = "synthetic demo data of the unimse project, MIT OR Apache-2.0";

/// Terms of a table of the user's own.
pub const OWN_TERMS: &str = "as the owner of the source says";

/// Terms of both data sets of the CMU Multimodal SDK.
const SDK_TERMS: &str = "CMU Multimodal SDK data; see its licence; do not redistribute";

impl DataSet {
    /// The four of the paper, in its order.
    pub const ALL: [Self; 4] = [
        Self {
            corpus: "mosi",
            title: "CMU-MOSI",
            url: "http://multicomp.cs.cmu.edu/resources/cmu-mosi-dataset/",
            terms: SDK_TERMS,
            paper: "Zadeh, Zellers, Pincus, Morency: MOSI: Multimodal Corpus of Sentiment Intensity and Subjectivity Analysis in Online Opinion Videos. arXiv:1606.06259, 2016",
            people: "English monologues, mostly reviews of films, from videos that their speakers published",
        },
        Self {
            corpus: "mosei",
            title: "CMU-MOSEI",
            url: "http://multicomp.cs.cmu.edu/resources/cmu-mosei-dataset/",
            terms: SDK_TERMS,
            paper: "Zadeh, Liang, Poria, Cambria, Morency: Multimodal Language Analysis in the Wild: CMU-MOSEI Dataset and Interpretable Dynamic Fusion Graph. ACL 2018, P18-1208",
            people: "English monologues on many topics, from videos that their speakers published",
        },
        Self {
            corpus: "meld",
            title: "MELD",
            url: "https://affective-meld.github.io/",
            terms: "MELD, GPL-3.0 for the annotations; the series belongs to its owners; do not redistribute",
            paper: "Poria, Hazarika, Majumder, Naik, Cambria, Mihalcea: MELD: A Multimodal Multi-Party Dataset for Emotion Recognition in Conversations. ACL 2019, P19-1050",
            people: "the dialogues of one American television series: written lines, acted, with laughter behind them",
        },
        Self {
            corpus: "iemocap",
            title: "IEMOCAP",
            url: "https://sail.usc.edu/iemocap/",
            terms: "IEMOCAP, under the release agreement of the University of Southern California; do not redistribute",
            paper: "Busso, Bulut, Lee, Kazemzadeh, Mower, Kim, Chang, Lee, Narayanan: IEMOCAP: Interactive emotional dyadic motion capture database. Language Resources and Evaluation 42, 2008",
            people: "ten actors in pairs, in English, scripted and improvised",
        },
    ];

    /// The data set of a corpus; `None` for one of the user's own.
    #[must_use]
    pub fn of(corpus: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|set| set.corpus == corpus)
    }

    /// The terms of a corpus, whoever made it.
    #[must_use]
    pub fn terms_of(corpus: &str, synthetic: bool) -> &'static str {
        match Self::of(corpus) {
            _ if synthetic => SYNTHETIC_TERMS,
            Some(set) => set.terms,
            None => OWN_TERMS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_corpus_has_terms() {
        assert_eq!(DataSet::terms_of("mosi", true), SYNTHETIC_TERMS);
        assert_eq!(DataSet::terms_of("mosei", false), SDK_TERMS);
        assert_eq!(DataSet::terms_of("reviews", false), OWN_TERMS);
        assert!(DataSet::of("meld").is_some_and(|set| set.terms.contains("GPL-3.0")));
    }
}
