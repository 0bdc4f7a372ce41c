//! Questions to a [`frame`](super::frame()): each takes a frame and gives one, so that it can be filtered before and refined behind.
//!
//! These describe; the numbers that are compared with published ones are those of `unimse_eval`, by its conventions.

use super::{FRAME_KEYS, joined};
use polars::prelude::{DataType, Expr, LazyFrame, NULL, SortMultipleOptions, col, len, lit, when};

/// How much of what there is, by corpus and split: `utterances`, `dialogues`, `speakers`; utterances `scored`, with a `polarity`, with an
/// `emotion`; with `audio` and `video`. `steps` is what [`steps`](super::steps) gives.
pub fn counts(frame: LazyFrame, steps: LazyFrame) -> LazyFrame {
    let with = |known: &str, name: &str| {
        let ids = col("utterance_id").filter(col(known).is_not_null());
        ids.n_unique().alias(name)
    };
    joined(frame, steps)
        .group_by_stable([col("corpus"), col("split")])
        .agg([
            col("utterance_id").n_unique().alias("utterances"),
            col("dialogue_id").n_unique().alias("dialogues"),
            col("speaker").drop_nulls().n_unique().alias("speakers"),
            with("score", "scored"),
            with("polarity", "polarity"),
            with("emotion", "emotion"),
            with("audio_steps", "audio"),
            with("video_steps", "video"),
        ])
}

/// Utterances by corpus, split and what `column` holds, the most frequent first.
pub fn values(frame: LazyFrame, column: &str) -> LazyFrame {
    let groups = ["corpus", "split", column].map(col);
    let counted = frame
        .group_by_stable(groups.clone())
        .agg([col("utterance_id").n_unique().alias("utterances")]);
    let [corpus, split, value] = groups;
    let order =
        SortMultipleOptions::default().with_order_descending_multi([false, false, true, false]);
    counted.sort_by_exprs([corpus, split, col("utterances"), value], order)
}

/// The predicted emotion in the taxonomy that the corpus is scored in; null in sentiment corpora.
pub fn predicted_emotion() -> Expr {
    let scored_in = |taxonomy: &str| col("task").eq(lit(taxonomy.to_owned()));
    when(scored_in("meld"))
        .then(col("predicted_meld"))
        .when(scored_in("iemocap"))
        .then(col("predicted_iemocap"))
        .otherwise(lit(NULL))
        .alias("predicted_emotion")
}

/// How far the predicted intensity is from the gold score; null where either is unknown.
pub fn error() -> Expr {
    let number = |name: &str| col(name).cast(DataType::Float64);
    let error = number("predicted_intensity") - number("score");
    error.abs().alias("error")
}

/// Scores of the predictions by corpus, split and the columns `by`: `rows`; the mean [`error`] `mae`; the shares of right polarities and
/// emotions among rows with gold, `polarity_accuracy` and `emotion_accuracy`. Null where no row has gold.
pub fn scores(frame: LazyFrame, by: &[&str]) -> LazyFrame {
    let groups: Vec<Expr> = ["corpus", "split"]
        .iter()
        .chain(by)
        .map(|n| col(*n))
        .collect();
    let right = |predicted: Expr, gold: &str| predicted.eq(col(gold)).mean();
    frame
        .filter(col("predicted_polarity").is_not_null())
        .group_by_stable(groups)
        .agg([
            len().alias("rows"),
            error().mean().alias("mae"),
            right(col("predicted_polarity"), "polarity").alias("polarity_accuracy"),
            right(predicted_emotion(), "emotion").alias("emotion_accuracy"),
        ])
}

/// The `rows` whose predicted intensity is furthest from gold, with their [`error`], largest first.
pub fn worst(frame: LazyFrame, rows: u32) -> LazyFrame {
    let order = [
        col("error"),
        col("corpus"),
        col("split"),
        col("utterance_id"),
    ];
    let largest =
        SortMultipleOptions::default().with_order_descending_multi([true, false, false, false]);
    frame
        .with_column(error())
        .filter(col("error").is_not_null())
        .sort_by_exprs(order, largest)
        .limit(rows)
}

/// Which `emotion` is taken for which `predicted_emotion`, by corpus and split, the most frequent first: only mistakes, with their `rows`.
pub fn confusions(frame: LazyFrame) -> LazyFrame {
    let groups = ["corpus", "split", "emotion", "predicted_emotion"].map(col);
    let order = SortMultipleOptions::default()
        .with_order_descending_multi([false, false, true, false, false]);
    let [corpus, split, emotion, predicted] = groups.clone();
    frame
        .with_column(predicted_emotion())
        .filter(col("emotion").neq(col("predicted_emotion")))
        .group_by_stable(groups)
        .agg([len().alias("rows")])
        .sort_by_exprs([corpus, split, col("rows"), emotion, predicted], order)
}

/// What the seeds of a run say of each utterance: how many `seeds`, the `mean` and the deviation `sd` (n - 1) of their intensities, and how
/// many different `polarities`.
pub fn over_seeds(frame: LazyFrame) -> LazyFrame {
    let intensity = || col("predicted_intensity").cast(DataType::Float64);
    frame
        .filter(col("predicted_polarity").is_not_null())
        .group_by_stable(FRAME_KEYS.map(col))
        .agg([
            len().alias("seeds"),
            intensity().mean().alias("mean"),
            intensity().std(1).alias("sd"),
            col("predicted_polarity").n_unique().alias("polarities"),
        ])
}

/// Mean and deviation (n - 1) over the seeds of what [`scores`] gives by `seed`: columns `<score>_mean` and `<score>_sd`.
pub fn across_seeds(scores: LazyFrame) -> LazyFrame {
    let columns = ["mae", "polarity_accuracy", "emotion_accuracy"].into_iter();
    let mut aggregates = vec![len().alias("seeds")];
    for name in columns {
        aggregates.push(col(name).mean().alias(format!("{name}_mean")));
        aggregates.push(col(name).std(1).alias(format!("{name}_sd")));
    }
    scores
        .group_by_stable([col("corpus"), col("split")])
        .agg(aggregates)
}
