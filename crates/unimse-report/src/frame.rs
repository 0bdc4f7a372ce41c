//! The frame of every page of this program: one file with its style sheet, and a policy that forbids whatever it does not bring itself.

use base64::prelude::{BASE64_STANDARD, Engine};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

pub(crate) const STYLE: &str = include_str!("style.css");

/// The picture of the page among the windows of a browser, which would otherwise ask for one.
const ICON: &str = "data:image/svg+xml,%3Csvg%20xmlns='http://www.w3.org/2000/svg'%20viewBox='0%200%2016%2016'%3E%3Cpath%20d='M3%208.5v5M8%202.5v11M13%205.5v8'%20stroke='%232f7cc4'%20stroke-width='3'%20stroke-linecap='round'/%3E%3C/svg%3E";

/// Functions of the pages' scripts, to stand in front of a page's own: they make elements whose contents are text, never markup.
pub const ELEMENTS: &str = include_str!("elements.js");

/// A page: what is in it, and what it may do.
#[derive(Debug, Clone, Default)]
pub struct Frame<'a> {
    /// Heading, and title of the window.
    pub title: &'a str,
    /// The line below it.
    pub subtitle: &'a str,
    /// Id of `main`.
    pub id: &'a str,
    /// Words of the link that leads there past the contents.
    pub skip: &'a str,
    /// The contents: `li` elements with links to sections of `main`.
    pub contents: Markup,
    /// What the page is about.
    pub main: Markup,
    /// The last line.
    pub footer: &'a str,
    /// The script that runs; it stands in `main`. No other does.
    pub script: Option<&'a str>,
    /// Rules behind those of the report's style sheet.
    pub style: &'a str,
    /// Directives of the policy that allow more than style and script, as `connect-src 'self'`.
    pub allowed: &'a [&'a str],
}

impl Frame<'_> {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self) -> String {
        let page = html! {
            (DOCTYPE) "\n"
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(self.policy());
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) }
                    link rel="icon" href=(ICON);
                    style { (PreEscaped(self.all_style())) }
                }
                body { "\n"
                    header {
                        a class="skip" href=(format!("#{}", self.id)) { (self.skip) }
                        h1 { (self.title) }
                        p class="subtitle" { (self.subtitle) }
                    } "\n"
                    nav aria-label="Contents" { ul { (self.contents) } } "\n"
                    main id=(self.id) { "\n" (self.main) } "\n"
                    footer { p { (self.footer) } } "\n"
                }
            }
            "\n"
        };
        page.into_string()
    }

    /// What the page may do: its own style sheet and script, and what is allowed besides.
    #[must_use]
    pub fn policy(&self) -> String {
        let style = format!("style-src {}", digest(&self.all_style()));
        let script = self.script.map(|s| format!("script-src {}", digest(s)));
        let mut directives = vec!["default-src 'none'", "img-src data:", &style];
        directives.extend(script.as_deref());
        directives.extend(self.allowed);
        directives.extend(["base-uri 'none'", "form-action 'none'"]);
        directives.join("; ")
    }

    fn all_style(&self) -> String {
        format!("{STYLE}{}", self.style)
    }
}

/// An inline element's text as the policy names it.
fn digest(text: &str) -> String {
    format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)))
}
