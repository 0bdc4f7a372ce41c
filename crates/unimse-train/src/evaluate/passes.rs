//! The passes of the evaluate stage over dev and test, every row answered by one of the processes.

use std::time::Instant;

use indicatif::ProgressBar;
use unimse_model::Observed;
use unimse_model::batch::Prediction;
use unimse_run::{Results, Robustness, RunFolder};

use crate::TrainError;
use crate::data::dataset::Dataset;
use crate::evaluate::robustness::{Plain, robustness};
use crate::evaluate::shown::Shown;
use crate::evaluate::{Prepared, predictions, receipts, scoring, unless};
use crate::model::session::answering_plan;

/// The answers to a split, and what the pass showed of some rows.
pub(super) struct Pass {
    pub(super) answers: Vec<Prediction>,
    pub(super) shown: Shown,
    pub(super) seconds: f64,
}

impl Prepared<'_> {
    /// Answers dev, opens the test split, and answers that; the passes over both.
    pub(super) fn answer(
        &self,
        folder: &RunFolder,
        results: &mut Results,
    ) -> Result<[Pass; 2], TrainError> {
        let (dev, test) = (&self.dev, &self.test);
        let bar = match self.processes.leads() {
            true => ProgressBar::new((dev.examples.len() + test.examples.len()) as u64),
            false => ProgressBar::hidden(),
        };
        let of_dev = self.pass(dev, &bar)?;
        scoring::check_answers(dev, &of_dev.answers)?;

        // from here on nothing may fail that can be foreseen: the test split counts as opened, by all processes once
        let receipt = receipts::receipt(folder, test)?;
        let openings = || Ok(receipt.record(&folder.receipts())?);
        results.protocol.test_openings = Some(self.processes.lead(openings)?);
        results.protocol.receipt = Some(receipt);
        let of_test = self.pass(test, &bar)?;
        bar.finish_and_clear();
        if self.processes.leads() {
            let parts = [(dev, &*of_dev.answers), (test, &*of_test.answers)];
            predictions::write(&folder.predictions(), &parts, self.saved.card.readout)?;
        }
        scoring::check_answers(test, &of_test.answers)?;
        Ok([of_dev, of_test])
    }

    /// Answers a split once; `bar` goes on by its rows.
    fn pass(&self, dataset: &Dataset, bar: &ProgressBar) -> Result<Pass, TrainError> {
        let (started, before) = (Instant::now(), bar.position());
        let mut shown = Shown::new(dataset, self.config.evaluate.seed);
        let plan = answering_plan(&self.config.train);
        let see = |rows: &[usize], batch: &Observed| shown.see(rows, batch);
        let tick = |done: usize| {
            bar.set_position(before + done as u64);
            unless(self.interrupt)
        };
        let session = &self.saved.session;
        let (answers, seen) = session.observe(dataset, &plan, self.processes, see, tick)?;
        shown.keep(seen);
        Ok(Pass {
            answers,
            shown,
            seconds: started.elapsed().as_secs_f64(),
        })
    }

    /// The scores with inputs missing or spoiled of each corpus with gold, in the order of [`scoring::pairs`]; none unless the configuration asks for
    /// them.
    pub(super) fn robust(&self, [_, test]: &[Pass; 2]) -> Result<Vec<Robustness>, TrainError> {
        let readout = self.saved.card.readout;
        let plain = Plain {
            session: &self.saved.session,
            config: self.config,
            readout,
            dataset: &self.test,
            predictions: &test.answers,
            interrupt: self.interrupt,
            processes: self.processes,
        };
        let pairs = scoring::pairs(&self.test, &test.answers, readout);
        let asked = self.config.evaluate.robustness;
        let pairs = pairs.iter().filter(|_| asked);
        pairs.map(|pair| robustness(plain, pair)).collect()
    }
}
