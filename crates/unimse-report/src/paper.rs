//! Placeholder until unimse-eval lands.
use crate::doc::Document;
use crate::load::Run;
pub(crate) fn section(doc: &mut Document, run: &Run, _tables: &[crate::shim::PaperTable]) {
    doc.heading(2, "Comparison with the paper");
    if run.results.synthetic {
        doc.paragraph("This run is synthetic: nothing in it is comparable with published numbers.");
    }
}
