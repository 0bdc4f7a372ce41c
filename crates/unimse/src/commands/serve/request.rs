//! Bodies of requests to what the model reads, by the same row as `unimse predict`, but for paths: no file is read for a request.

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::{Path, Segment};
use unimse_train::predict::rows::{Neighbours, Row, RowError, contexts};
use unimse_train::predict::{Input, Senses};

use super::limits::{CLIPS, ROWS, STEPS, TEXT_BYTES};
use super::openapi;
use super::problem::Problem;

const UNREADABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
const TOO_LARGE: StatusCode = StatusCode::PAYLOAD_TOO_LARGE;

/// The body of `POST /predict`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Predict {
    /// 1 to 256 rows. Rows of one `dialogue_id` are each other's context.
    #[schemars(with = "Vec<openapi::Row>", length(min = 1, max = ROWS))]
    rows: Vec<Map<String, Value>>,
}

/// The body of `POST /explain`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Explain {
    /// The row.
    #[schemars(with = "openapi::Row")]
    row: Map<String, Value>,
}

/// The body of a request.
///
/// # Errors
/// 400 for what is no JSON, 422 for JSON of another shape.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let parsed = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let pointer = pointer(error.path());
        let error = error.into_inner();
        match error.is_data() {
            true => Problem::at(UNREADABLE, pointer, error.to_string()),
            false => malformed(&error),
        }
    })?;
    json.end().map_err(|error| malformed(&error))?;
    Ok(parsed)
}

fn malformed(error: &serde_json::Error) -> Problem {
    let detail = format!("expected JSON, found: {error}");
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

/// A path as a JSON pointer.
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path.iter() {
        let part = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            Segment::Enum { .. } | Segment::Unknown => continue,
        };
        pointer.push('/');
        pointer.push_str(&part);
    }
    pointer
}

impl Predict {
    /// What the model of `senses` reads, which was trained with `context` utterances before and after.
    ///
    /// # Errors
    /// 413 for more rows or clips, longer texts or longer features than [`super::limits`] say, 422 for a row that is none; each with a JSON pointer.
    pub(super) fn inputs(
        self,
        context: (usize, usize),
        senses: &Senses,
    ) -> Result<Vec<Input>, Problem> {
        let found = self.rows.len();
        let wrong = |status, found: &str| {
            let detail = format!("expected 1 to {ROWS} rows, found {found}");
            Problem::at(status, "/rows".to_owned(), detail)
        };
        if found == 0 {
            return Err(wrong(UNREADABLE, "none"));
        }
        if found > ROWS {
            return Err(wrong(TOO_LARGE, &found.to_string()));
        }
        let rows = self.rows.into_iter().enumerate();
        let rows = rows.map(|(at, row)| (format!("/rows/{at}"), row));
        inputs(rows, context, senses)
    }
}

impl Explain {
    /// As [`Predict::inputs`], of the one row.
    ///
    /// # Errors
    /// As there.
    pub(super) fn input(self, context: (usize, usize), senses: &Senses) -> Result<Input, Problem> {
        let rows = [("/row".to_owned(), self.row)].into_iter();
        let input = inputs(rows, context, senses)?.pop();
        input.ok_or_else(|| Problem::new(UNREADABLE, "expected a row, found none"))
    }
}

/// Rows by their places.
fn inputs(
    rows: impl Iterator<Item = (String, Map<String, Value>)>,
    context: (usize, usize),
    senses: &Senses,
) -> Result<Vec<Input>, Problem> {
    let wrong = |error: RowError| Problem::of_row(UNREADABLE, &error.to_string());
    let mut parsed = Vec::new();
    let mut clips = 0;
    for (place, object) in rows {
        let row = Row::parse(object, place.clone(), None).map_err(wrong)?;
        check_texts(&place, &row)?;
        clips += usize::from(row.has_uploaded_clip());
        if clips > CLIPS {
            let detail = format!("expected at most {CLIPS} clips, found more");
            return Err(Problem::at(TOO_LARGE, format!("{place}/clip"), detail));
        }
        for (name, found) in row.steps().map_err(wrong)? {
            if found > STEPS {
                let detail = format!("expected at most {STEPS} steps, found {found}");
                return Err(Problem::at(TOO_LARGE, format!("{place}/{name}"), detail));
            }
        }
        parsed.push(row);
    }
    let around = contexts(&parsed, Neighbours::new(None, context));
    let rows = parsed.into_iter().zip(around);
    rows.map(|(row, around)| row.input(around, senses).map_err(wrong))
        .collect()
}

fn check_texts(place: &str, row: &Row) -> Result<(), Problem> {
    let mut texts = vec![("text".to_owned(), &row.spoken)];
    if let Some(own) = &row.own {
        let sides = [("context", &own.before), ("context_after", &own.after)];
        for (name, turns) in sides {
            let turns = turns.iter().enumerate();
            texts.extend(turns.map(|(at, turn)| (format!("{name}/{at}"), turn)));
        }
    }
    for (name, spoken) in texts {
        let found = spoken.text.len();
        if found > TEXT_BYTES {
            let detail = format!("expected at most {TEXT_BYTES} bytes of text, found {found}");
            return Err(Problem::at(TOO_LARGE, format!("{place}/{name}"), detail));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use serde_json::json;

    use super::*;

    fn refused(body: &[u8]) -> (u16, String, String) {
        let predict = parse::<Predict>(body).and_then(|p| p.inputs((2, 1), &Senses::default()));
        let problem = predict.unwrap_err();
        let pointer = problem.pointer.unwrap_or_default();
        (problem.status.as_u16(), pointer, problem.detail)
    }

    /// Bodies that are refused: the status, the pointer, and words of the detail.
    fn spoiled() -> Vec<(Value, u16, &'static str, &'static str)> {
        let long = "a".repeat(TEXT_BYTES + 1);
        let many = vec![json!({"text": "t"}); ROWS + 1];
        let steps = vec![[1.0]; STEPS + 1];
        vec![
            (json!({}), 422, "", "missing field `rows`"),
            (json!([]), 422, "", "expected"),
            (json!({"rows": []}), 422, "/rows", "found none"),
            (json!({"rows": 5}), 422, "/rows", "integer `5`"),
            (json!({"rows": [5]}), 422, "/rows/0", "integer `5`"),
            (
                json!({"rows": [{"text": "t"}], "row~s/": 1}),
                422,
                "/row~0s~1",
                "unknown field",
            ),
            (
                json!({"rows": [{"text": "t"}, {}]}),
                422,
                "/rows/1/text",
                "missing",
            ),
            (
                json!({"rows": [{"text": long.clone()}]}),
                413,
                "/rows/0/text",
                "65537",
            ),
            (
                json!({"rows": [{"text": "t", "context": ["a", long]}]}),
                413,
                "/rows/0/context/1",
                "65537",
            ),
            (json!({"rows": many}), 413, "/rows", "found 257"),
            (
                json!({"rows": [{"text": "t", "audio": steps}]}),
                413,
                "/rows/0/audio",
                "found 6001",
            ),
            (
                json!({"rows": [{"text": "t", "audio": "/etc/passwd"}]}),
                422,
                "/rows/0/audio",
                "no file is read here",
            ),
            (
                json!({"rows": [{"text": "t", "video": "[[1, 2], 3]"}]}),
                422,
                "/rows/0/video",
                "step 2",
            ),
        ]
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        for (body, status, pointer, words) in spoiled() {
            let found = refused(body.to_string().as_bytes());
            assert_eq!(
                (found.0, found.1.as_str()),
                (status, pointer),
                "{}",
                found.2
            );
            assert!(found.2.contains(words), "{words:?} not in {}", found.2);
        }
        for body in [
            &b"{\"rows\": [{\"text\": NaN}]}"[..],
            b"{",
            b"",
            b"{\"rows\": []} more",
            b"\xff",
        ] {
            let (status, _, detail) = refused(body);
            assert_eq!(status, 400, "{detail}");
        }
    }

    #[test]
    fn rows_of_a_dialogue_are_each_others_context() {
        let row = |text: &str, turn: i64| json!({"text": text, "dialogue_id": "d", "turn": turn});
        let body = json!({"rows": [row("b", 2), row("a", 1)]}).to_string();
        let inputs =
            parse::<Predict>(body.as_bytes()).and_then(|p| p.inputs((2, 1), &Senses::default()));
        let inputs = inputs.unwrap();
        assert_eq!(inputs[0].before[0].text, "a");
        assert_eq!(inputs[1].after[0].text, "b");
    }
}
