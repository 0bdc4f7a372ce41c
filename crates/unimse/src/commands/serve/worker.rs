//! The queue in front of the model, and the one loop that asks it: what waits is answered together.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use hyper::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use unimse_run::Answer;
use unimse_train::TrainError;
use unimse_train::predict::{Input, Scores};

use super::explain::Neighbour;
use super::limits::{BATCH_ROWS, WAITING_ROWS};
use super::problem::Problem;
use super::routes::Place;

/// Answers in the order of the inputs, each beside the distribution of its score.
pub(super) type Answers = Vec<(Answer, Scores)>;

/// What a request gets.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) answers: Answers,
    /// For the text that was asked for.
    pub(super) neighbours: Vec<Neighbour>,
}

/// A request that waits.
pub(super) struct Job {
    inputs: Vec<Input>,
    /// A text whose nearest training utterances are wanted.
    near: Option<String>,
    reply: oneshot::Sender<Result<Reply, Problem>>,
    /// The places of its rows in the queue.
    room: OwnedSemaphorePermit,
    /// That of a large body.
    _place: Option<Place>,
}

/// Where requests wait for the model.
#[derive(Clone)]
pub(super) struct Queue {
    jobs: Sender<Job>,
    room: Arc<Semaphore>,
}

impl Queue {
    /// An empty queue, and its end for [`work`].
    pub(super) fn new() -> (Self, Receiver<Job>) {
        let (jobs, end) = channel();
        let room = Arc::new(Semaphore::new(WAITING_ROWS));
        (Self { jobs, room }, end)
    }

    /// Rows that wait or are being answered.
    pub(super) fn waiting(&self) -> usize {
        WAITING_ROWS - self.room.available_permits()
    }

    /// Answers `inputs`, and finds the training utterances nearest to `near`; `place` is free when it is done.
    ///
    /// # Errors
    /// 503 where too many rows wait; 422 for a row that the model cannot read; 500 where it fails.
    pub(super) async fn ask(
        &self,
        inputs: Vec<Input>,
        near: Option<String>,
        place: Option<Place>,
    ) -> Result<Reply, Problem> {
        let full = |_| {
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                format!(
                    "expected at most {WAITING_ROWS} rows that wait, found {} before this request",
                    self.waiting()
                ),
            )
        };
        let rows = inputs.len() as u32;
        let room = self.room.clone().try_acquire_many_owned(rows);
        let (reply, answered) = oneshot::channel();
        let job = Job {
            inputs,
            near,
            reply,
            room: room.map_err(full)?,
            _place: place,
        };
        let stopped = || Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the model has stopped");
        self.jobs.send(job).map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

/// Answers what comes until every [`Queue`] is gone.
pub(super) fn work(
    jobs: &Receiver<Job>,
    predict: &dyn Fn(Vec<Input>) -> Result<Answers, TrainError>,
    nearest: &dyn Fn(&str) -> Result<Vec<Neighbour>, TrainError>,
) {
    while let Ok(first) = jobs.recv() {
        let mut rows = first.inputs.len();
        let mut together = vec![first];
        while rows < BATCH_ROWS
            && let Ok(next) = jobs.try_recv()
        {
            rows += next.inputs.len();
            together.push(next);
        }
        // whose client has gone
        together.retain(|job| !job.reply.is_closed());
        answer(together, predict, nearest);
    }
}

/// Answers jobs in one batch; where that fails, each alone, so that no one's rows spoil another's answer.
fn answer(
    jobs: Vec<Job>,
    predict: &dyn Fn(Vec<Input>) -> Result<Answers, TrainError>,
    nearest: &dyn Fn(&str) -> Result<Vec<Neighbour>, TrainError>,
) {
    if jobs.is_empty() {
        return;
    }
    let inputs: Vec<Input> = jobs.iter().flat_map(|job| job.inputs.clone()).collect();
    match guarded(|| predict(inputs)) {
        Err(_) if jobs.len() > 1 => {
            for job in jobs {
                answer(vec![job], predict, nearest);
            }
        }
        Err(problem) => {
            for job in jobs {
                reply(job, Err(problem.clone()), nearest);
            }
        }
        Ok(answers) => {
            let mut answers = answers.into_iter();
            for job in jobs {
                let own = answers.by_ref().take(job.inputs.len()).collect();
                reply(job, Ok(own), nearest);
            }
        }
    }
}

fn reply(
    job: Job,
    answers: Result<Answers, Problem>,
    nearest: &dyn Fn(&str) -> Result<Vec<Neighbour>, TrainError>,
) {
    let neighbours = |text: &String| guarded(|| nearest(text));
    let reply = answers.and_then(|answers| {
        let neighbours = job.near.as_ref().map(neighbours).transpose()?;
        let neighbours = neighbours.unwrap_or_default();
        Ok(Reply {
            answers,
            neighbours,
        })
    });
    // Before the reply: who has got one may ask again, and finds the place free.
    drop(job.room);
    // a client may have gone
    let _ = job.reply.send(reply);
}

/// What the model says, or why it does not; a panic of LibTorch, as where memory ends, is the fault of one batch, not the end of the server.
fn guarded<T>(work: impl FnOnce() -> Result<T, TrainError>) -> Result<T, Problem> {
    let internal = |detail: String| {
        eprintln!("error: {detail}");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    };
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(TrainError::Data(message))) => {
            Err(Problem::of_row(StatusCode::UNPROCESSABLE_ENTITY, &message))
        }
        Ok(Err(error)) => Err(internal(error.to_string())),
        Err(_) => Err(internal(
            "the model failed; see the server's messages".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use std::cell::RefCell;

    use unimse_train::data::reader::Spoken;

    use super::*;

    fn input(text: &str) -> Input {
        Input {
            place: "/rows/0".to_owned(),
            spoken: Spoken {
                speaker: None,
                text: text.to_owned(),
            },
            ..Input::default()
        }
    }

    fn answered(text: &str) -> (Answer, Scores) {
        let answer = serde_json::json!({"text": text, "polarity": {"label": "neutral", "probabilities": {}}, "disagreements": []});
        (serde_json::from_value(answer).unwrap(), Vec::new())
    }

    /// Puts requests of these texts into a queue, lets `predict` answer them, and gives the replies.
    fn replies(
        requests: &[&[&str]],
        predict: &dyn Fn(Vec<Input>) -> Result<Answers, TrainError>,
    ) -> Vec<Result<Vec<String>, Problem>> {
        let (queue, jobs) = Queue::new();
        let mut waiting = Vec::new();
        for texts in requests {
            let (reply, answered) = oneshot::channel();
            let room = queue
                .room
                .clone()
                .try_acquire_many_owned(texts.len() as u32);
            let job = Job {
                inputs: texts.iter().map(|text| input(text)).collect(),
                near: None,
                reply,
                room: room.unwrap(),
                _place: None,
            };
            queue.jobs.send(job).unwrap();
            waiting.push(answered);
        }
        let room = queue.room.clone();
        drop(queue);
        work(&jobs, predict, &|_| Ok(Vec::new()));
        assert_eq!(
            room.available_permits(),
            WAITING_ROWS,
            "all room is given back"
        );
        let texts = |reply: Reply| reply.answers.into_iter().map(|(a, _)| a.text).collect();
        waiting
            .into_iter()
            .map(|mut answered| answered.try_recv().unwrap().map(texts))
            .collect()
    }

    #[test]
    fn what_waits_is_answered_in_one_batch() {
        let batches = RefCell::new(Vec::new());
        let predict = |inputs: Vec<Input>| {
            batches.borrow_mut().push(inputs.len());
            Ok(inputs.iter().map(|i| answered(&i.spoken.text)).collect())
        };
        let found = replies(&[&["a", "b"], &["c"], &["d"]], &predict);
        let texts: Vec<Vec<String>> = found.into_iter().map(Result::unwrap).collect();
        assert_eq!(texts, [vec!["a", "b"], vec!["c"], vec!["d"]]);
        assert_eq!(*batches.borrow(), [2 + 1 + 1]);
        batches.borrow_mut().clear();
        let large = vec!["x"; BATCH_ROWS];
        replies(&[&large, &["a"], &["b"]], &predict);
        assert_eq!(*batches.borrow(), [BATCH_ROWS, 2], "a batch is full");
    }

    #[test]
    fn nobody_spoils_the_answer_of_another() {
        let predict = |inputs: Vec<Input>| {
            if inputs.iter().any(|i| i.spoken.text == "panic") {
                panic!("a panic that the test asks for");
            }
            match inputs.iter().find(|i| i.spoken.text.is_empty()) {
                Some(bad) => Err(TrainError::Data(format!("{}: field text: no", bad.place))),
                None => Ok(inputs.iter().map(|i| answered(&i.spoken.text)).collect()),
            }
        };
        let found = replies(&[&["a"], &[""], &["panic"], &["b"]], &predict);
        assert_eq!(found[0].as_deref().unwrap(), ["a"]);
        let bad = found[1].as_ref().unwrap_err();
        assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(bad.pointer.as_deref(), Some("/rows/0/text"));
        let failed = found[2].as_ref().unwrap_err();
        assert_eq!(failed.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(found[3].as_deref().unwrap(), ["b"]);
    }

    #[test]
    fn a_full_queue_refuses() {
        let (queue, _jobs) = Queue::new();
        let _held = queue
            .room
            .clone()
            .try_acquire_many_owned(WAITING_ROWS as u32 - 1);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let two = vec![input("a"), input("b")];
        let problem = runtime.block_on(queue.ask(two, None, None)).unwrap_err();
        assert_eq!(problem.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(problem.detail.contains("found 1023"), "{}", problem.detail);
    }

    #[test]
    fn who_left_is_not_answered() {
        let (queue, jobs) = Queue::new();
        let (reply, left) = oneshot::channel();
        drop(left);
        let room = queue.room.clone().try_acquire_many_owned(1).unwrap();
        let job = Job {
            inputs: vec![input("a")],
            near: None,
            reply,
            room,
            _place: None,
        };
        queue.jobs.send(job).unwrap();
        drop(queue);
        work(&jobs, &|_| panic!("nobody waits"), &|_| {
            panic!("nobody waits")
        });
    }
}
