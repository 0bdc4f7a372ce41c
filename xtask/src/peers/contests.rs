//! The contests. What each side computes is in `benches/benches/peers` and `benches/peers`, by the same names.

use super::contest::Program::{Ours, Python};
use super::contest::{Contest, Program, Side, Target};

const MINILM: &str = "all-MiniLM-L6-v2";
const GEMM: &str = "GEMM";
const MEMORY: &str = "memory bandwidth";
const PEER: &str = "the peer";

/// How far the loss of a batch in bf16 may be from fp32's.
const HALF: Option<f64> = Some(2e-2);

const fn ours(does: &'static str) -> Side {
    Side {
        name: "ours",
        program: Ours,
        does,
        target: None,
        tolerance: None,
        why_below: None,
    }
}

const fn peer(
    name: &'static str,
    script: &'static str,
    does: &'static str,
    target: Option<Target>,
    tolerance: Option<f64>,
) -> Side {
    Side {
        name,
        program: Python(script),
        does,
        target,
        tolerance,
        why_below: None,
    }
}

/// A side of ours that is no contestant but what ours is measured by.
const fn beside(name: &'static str, does: &'static str, target: Option<Target>) -> Side {
    Side {
        name,
        target,
        ..ours(does)
    }
}

/// Why a peer in fp32 may be less slow than hoped.
const SAME_RATE: Option<&str> = Some(
    "the target is for processors that multiply bf16 faster; where `auto` is fp32, both sides multiply at the same rate, and products are most of the work",
);

const FP32: &str = "transformers, fp32, torch's default AdamW";
const AUTOCAST: &str = "transformers, bf16 autocast, fused AdamW";

const fn t5(name: &'static str, work: &'static str, sides: &'static [Side]) -> Contest {
    Contest {
        name,
        work,
        bound: GEMM,
        models: &["t5-tokenizer"],
        prepare: Ours,
        sides,
    }
}

const fn training(
    fp32: Option<Target>,
    autocast: Option<Target>,
    script: &'static str,
) -> [Side; 3] {
    [
        ours("`train.precision = \"auto\"`, own AdamW"),
        Side {
            why_below: SAME_RATE,
            ..peer("fp32", script, FP32, fp32, HALF)
        },
        peer("autocast", script, AUTOCAST, autocast, HALF),
    ]
}

const fn generation(fp32: Option<Target>, autocast: Option<Target>) -> [Side; 3] {
    const UNBOUND: &str =
        "transformers `generate`, greedy, without constraint, as many tokens as the longest label";
    const HALF_UNBOUND: &str = "the same under bf16 autocast";
    [
        ours("labels within the grammar, `train.precision = \"auto\"`"),
        Side {
            why_below: SAME_RATE,
            ..peer("fp32", "t5.py", UNBOUND, fp32, HALF)
        },
        peer("autocast", "t5.py", HALF_UNBOUND, autocast, HALF),
    ]
}

const fn plain(
    name: &'static str,
    work: &'static str,
    bound: &'static str,
    prepare: Program,
    sides: &'static [Side],
) -> Contest {
    Contest {
        name,
        work,
        bound,
        models: &[],
        prepare,
        sides,
    }
}

const fn of_minilm(contest: Contest) -> Contest {
    Contest {
        models: &[MINILM],
        ..contest
    }
}

/// All of them, in the order of the table.
pub(crate) const CONTESTS: &[Contest] = &[
    plain(
        "donors",
        "best two of 25,055 x 21,240 unit rows of 384 values, both ways",
        GEMM,
        Ours,
        &[
            ours("fused search"),
            peer(
                "faiss",
                "donors.py",
                "faiss-cpu, two `IndexFlatIP` searches, k = 2",
                Target::share(0.45),
                Some(1e-4),
            ),
            beside(
                "gemm",
                "the product alone, thrown away: the fastest of two kernels in six tiles, chosen on a quarter of the rows",
                Target::share(1.15),
            ),
            beside(
                "loop",
                "the released code's loop over pairs, one thread, from 100 queries, scaled up",
                None,
            ),
        ],
    ),
    t5(
        "t5_step",
        "4 training steps, t5-small shape, batches of 32 texts, the same padded batches",
        &training(Target::speed(1.8), Target::speed(1.0), "t5.py"),
    ),
    t5(
        "t5_epoch",
        "8 training steps of shuffled texts, t5-small shape: theirs as they come, ours in buckets of like length",
        &training(None, None, "t5.py"),
    ),
    t5(
        "t5_generate",
        "labels of 320 texts, t5-small shape, the same batches of 32",
        &generation(Target::speed(5.0), Target::speed(3.0)),
    ),
    t5(
        "t5_generate_by_length",
        "labels of 320 texts, t5-small shape, ours in order of length as `evaluate` reads them",
        &generation(None, None),
    ),
    of_minilm(plain(
        "minilm_step",
        "12 steps of fine-tuning all-MiniLM-L6-v2 whole, batches of 32 texts, mean pooling and one linear head",
        GEMM,
        Ours,
        &training(Target::speed(1.0), Target::speed(1.0), "encoder.py"),
    )),
    Contest {
        models: &["all-mpnet-base-v2"],
        ..plain(
            "mpnet_step",
            "4 steps of fine-tuning all-mpnet-base-v2 whole, batches of 32 texts, mean pooling and one linear head",
            GEMM,
            Ours,
            &training(Target::speed(1.0), Target::speed(1.0), "encoder.py"),
        )
    },
    of_minilm(plain(
        "sentences",
        "embeddings of every fourth of MELD's training texts (demo texts where there is no MELD), all-MiniLM-L6-v2, fp32, batches of 64",
        GEMM,
        Ours,
        &[
            ours("every text"),
            peer(
                "sentence-transformers",
                "sentences.py",
                "sentence-transformers, every text",
                Target::speed(1.2),
                Some(1e-3),
            ),
        ],
    )),
    plain(
        "metrics",
        "all of MMSA's metrics of 1,000,000 scores",
        MEMORY,
        Ours,
        &[
            ours("one core"),
            peer(
                "mmsa",
                "metrics.py",
                "numpy, and scikit-learn for two classes, as MMSA calls them",
                Target::speed(20.0),
                Some(1e-5),
            ),
        ],
    ),
    plain(
        "emotions",
        "accuracy, weighted and macro F1, macro recall of 1,000,000 rows of seven classes",
        MEMORY,
        Ours,
        &[
            ours("one core, with the scores of every class"),
            peer(
                "scikit-learn",
                "metrics.py",
                "scikit-learn",
                None,
                Some(1e-5),
            ),
            peer(
                "torchmetrics",
                "metrics.py",
                "torchmetrics, functional",
                None,
                Some(1e-5),
            ),
        ],
    ),
    plain(
        "bootstrap",
        "95 % intervals of all of MMSA's metrics of 4,659 rows, 10,000 resamples of 666 videos",
        PEER,
        Ours,
        &[
            Side {
                target: Target::seconds(0.5),
                ..ours("all metrics of a resample at once, as `evaluate` does")
            },
            peer(
                "numpy",
                "bootstrap.py",
                "numpy, every metric of a resample at once",
                Target::speed(50.0),
                Some(2e-2),
            ),
            peer(
                "scipy",
                "bootstrap.py",
                "`scipy.stats.bootstrap` of the same function on 200 resamples, scaled up to 10,000",
                None,
                Some(6e-2),
            ),
        ],
    ),
    plain(
        "pickle",
        "an MMSA pickle of 1 GB, every array touched",
        MEMORY,
        Python("mmsa.py"),
        &[
            ours("mapped"),
            peer(
                "load",
                "mmsa.py",
                "CPython `pickle.load`, numpy",
                None,
                Some(1e-4),
            ),
        ],
    ),
    plain(
        "ingest",
        "an MMSA pickle of 1 GB to Parquet",
        MEMORY,
        Python("mmsa.py"),
        &[
            ours("checked, with the SHA-256 of the sources, tables synced"),
            peer(
                "convert",
                "mmsa.py",
                "CPython `pickle.load`, pyarrow's writer, zstd",
                Target::speed(1.5),
                Some(1e-4),
            ),
        ],
    ),
    plain(
        "mel",
        "64 log-mel bands of 100 wave files of 6 s, 16 kHz, one after the other",
        PEER,
        Python("mel.py"),
        &[
            ours("one core, as ingesting does"),
            peer(
                "librosa",
                "mel.py",
                "librosa: `load`, `melspectrogram`, `power_to_db`",
                Target::speed(2.0),
                Some(1e-4),
            ),
        ],
    ),
    plain(
        "prosody",
        "60 prosodic functionals of 100 wave files of 6 s, 16 kHz, one after the other",
        PEER,
        Python("prosody.py"),
        &[
            ours("one core, as extracting does"),
            peer(
                "opensmile",
                "prosody.py",
                "openSMILE's eGeMAPSv02 (88 functionals), its Python package",
                Target::speed(3.0),
                Some(2e-2),
            ),
        ],
    ),
    of_minilm(plain(
        "predict_one",
        "an answer to one text, from the start of the process",
        PEER,
        Ours,
        &[
            Side {
                target: Target::seconds(0.6),
                why_below: Some(
                    "a time, not a ratio: most of it loads LibTorch's libraries and the weights, on a slow processor more than on a fast one",
                ),
                ..ours("`unimse predict --text`, on one thread, as it chooses itself")
            },
            peer("start", "predict.py", START, None, Some(0.0)),
        ],
    )),
    of_minilm(plain(
        "predict_rows",
        "answers to 1,000 texts",
        GEMM,
        Ours,
        &[
            ours(
                "`unimse predict --input`, from the start of the process: probabilities of every field, readouts and disagreements",
            ),
            peer("start", "predict.py", START, Target::speed(3.0), Some(0.0)),
            peer(
                "warm",
                "predict.py",
                "the same within a process that has imported and loaded all",
                None,
                Some(0.0),
            ),
        ],
    )),
];

const START: &str = "transformers, from the start of Python: tokenise, encode with all-MiniLM-L6-v2, mean pooling, four linear heads, batches of 32 in order, fp32";
