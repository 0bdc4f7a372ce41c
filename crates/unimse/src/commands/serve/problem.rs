//! Why a request is refused, as `application/problem+json` (RFC 9457).

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    /// What was expected and what was found.
    pub(super) detail: String,
    /// JSON pointer to what is wrong in the body.
    pub(super) pointer: Option<String>,
    /// For 405: the method of that path.
    pub(super) allow: Option<&'static str>,
}

/// Its JSON.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct Body<'p> {
    /// The status in words.
    title: &'p str,
    /// The status of the response.
    status: u16,
    /// What was expected and what was found.
    detail: &'p str,
    /// JSON pointer (RFC 6901) to what is wrong in the body of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<&'p str>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            pointer: None,
            allow: None,
        }
    }

    pub(super) fn at(status: StatusCode, pointer: String, detail: impl Into<String>) -> Self {
        Self {
            pointer: Some(pointer),
            ..Self::new(status, detail)
        }
    }

    /// What is wrong with a row. Messages of rows begin with the row's place, which here is a JSON pointer, and go on with `field NAME`.
    pub(super) fn of_row(status: StatusCode, message: &str) -> Self {
        let Some((place, rest)) = message
            .split_once(": ")
            .filter(|(place, _)| place.starts_with('/'))
        else {
            return Self::new(status, message);
        };
        let field = rest.strip_prefix("field ").unwrap_or_default();
        let field = field.split([':', ' ']).next().unwrap_or_default();
        match field.is_empty() {
            true => Self::at(status, place.to_owned(), rest),
            false => Self::at(status, format!("{place}/{field}"), rest),
        }
    }

    pub(super) fn json(&self) -> String {
        let body = Body {
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            detail: &self.detail,
            pointer: self.pointer.as_deref(),
        };
        // texts and a number: cannot fail
        serde_json::to_string(&body).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_of_a_row_becomes_a_pointer() {
        for (message, pointer, detail) in [
            (
                "/rows/3: field audio: expected 5 features a step, found 4",
                Some("/rows/3/audio"),
                "field audio: expected 5 features a step, found 4",
            ),
            (
                "/row: field text is missing",
                Some("/row/text"),
                "field text is missing",
            ),
            ("/rows/0: too long", Some("/rows/0"), "too long"),
            ("no place: at all", None, "no place: at all"),
        ] {
            let problem = Problem::of_row(StatusCode::UNPROCESSABLE_ENTITY, message);
            assert_eq!(problem.pointer.as_deref(), pointer);
            assert_eq!(problem.detail, detail);
        }
    }
}
