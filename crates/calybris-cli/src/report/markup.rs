//! The frame of an HTML page: one file that loads nothing and runs no script, with text that cannot become markup.

use std::fmt::{self, Write as _};

/// Markup that is being written.
#[derive(Debug, Default)]
pub(crate) struct Markup {
    text: String,
    /// The sections so far, by id and title.
    sections: Vec<(&'static str, String)>,
}

/// What a table shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table<'a> {
    /// Its label for screen readers.
    pub(crate) name: &'a str,
    pub(crate) header: &'a [&'a str],
    /// How many columns hold words; the others hold numbers.
    pub(crate) words: usize,
    pub(crate) rows: &'a [Vec<String>],
    /// The last row: the sum of all rows, including those that are not shown.
    pub(crate) total: Option<&'a [String]>,
}

/// Text from outside, escaped for HTML: it contains no markup and cannot change the direction of text.
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl Markup {
    /// Adds markup. Anything from outside must be wrapped in [`Text`].
    pub(crate) fn add(&mut self, markup: fmt::Arguments<'_>) {
        // Writing to a `String` does not fail.
        let _ = self.text.write_fmt(markup);
        self.text.push('\n');
    }

    /// An entry of the list of facts at the head of a page.
    pub(crate) fn fact(&mut self, name: &str, value: &str, code: bool) {
        let (open, close) = if code { ("<code>", "</code>") } else { ("", "") };
        self.add(format_args!("<dt>{}</dt><dd>{open}{}{close}</dd>", Text(name), Text(value)));
    }

    /// Begins a section, to which the contents of the page link.
    pub(crate) fn section(&mut self, id: &'static str, title: &str) {
        self.add(format_args!("<section id=\"{id}\">\n<h2>{}</h2>", Text(title)));
        self.sections.push((id, title.to_owned()));
    }

    pub(crate) fn end_section(&mut self) {
        self.add(format_args!("</section>"));
    }

    /// Adds the contents of another markup, preceded by links to its sections.
    pub(crate) fn append_with_contents(&mut self, body: &Self) {
        if body.sections.len() > 1 {
            self.add(format_args!("<nav aria-label=\"Contents\"><ul>"));
            for (id, title) in &body.sections {
                self.add(format_args!("<li><a href=\"#{id}\">{}</a></li>", Text(title)));
            }
            self.add(format_args!("</ul></nav>"));
        }
        self.text.push_str(&body.text);
    }

    /// A table. Header and cells are escaped here; the columns after the first `words` hold numbers.
    pub(crate) fn table(&mut self, table: &Table<'_>) {
        let Table { name, header, words, rows, total } = *table;
        let class = |column: usize| match header.get(column) {
            _ if column >= words => " class=\"n\"",
            Some(name) if name.ends_with("(UTC)") => " class=\"t\"",
            _ => "",
        };
        // On a narrow screen each row of such a table becomes a list; the header names its items.
        let is_wide = header.len() > MOST_COLUMNS || words > 1;
        let stacked = if is_wide { " class=\"stack\"" } else { "" };
        self.add(format_args!(
            "<div class=\"wide\" role=\"region\" aria-label=\"{}\" tabindex=\"0\"><table{stacked}>\n<thead><tr>",
            Text(name)
        ));
        for (column, name) in header.iter().enumerate() {
            self.add(format_args!("<th scope=\"col\"{}>{}</th>", class(column), Text(name)));
        }
        self.add(format_args!("</tr></thead>\n<tbody>"));
        let row = |row: &[String], to: &mut String| {
            to.push_str("<tr>");
            for (column, cell) in row.iter().enumerate() {
                let cell = breakable(cell);
                let _ = match column {
                    0 => write!(to, "<th scope=\"row\"{}>{cell}</th>", class(column)),
                    _ => {
                        let name = Text(header.get(column).copied().unwrap_or_default());
                        write!(to, "<td{} data-name=\"{name}\">{cell}</td>", class(column))
                    }
                };
            }
            to.push_str("</tr>\n");
        };
        for cells in rows {
            row(cells, &mut self.text);
        }
        self.add(format_args!("</tbody>"));
        if let Some(total) = total {
            self.text.push_str("<tfoot>");
            row(total, &mut self.text);
            self.add(format_args!("</tfoot>"));
        }
        self.add(format_args!("</table></div>"));
    }

    /// The complete page.
    pub(crate) fn into_page(self, title: &str) -> String {
        let mut page = Self::default();
        page.add(format_args!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta name=\"referrer\" content=\"no-referrer\">\n\
             <meta http-equiv=\"Content-Security-Policy\" \
             content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>",
            Text(title)
        ));
        page.text.push_str(&self.text);
        page.add(format_args!("</main>\n</body>\n</html>"));
        page.text
    }
}

/// Text in which long names may be broken between their parts.
pub(crate) fn breakable(text: &str) -> String {
    // None of these letters occurs in an escape sequence of HTML.
    Text(text).to_string().replace('_', "_<wbr>").replace('/', "/<wbr>")
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    f.write_char(char::REPLACEMENT_CHARACTER)?;
                }
                other if other.is_control() => f.write_char(char::REPLACEMENT_CHARACTER)?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// The most columns that fit a narrow screen.
const MOST_COLUMNS: usize = 4;

const STYLE: &str = include_str!("style.css");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_never_markup() {
        let hostile = "<img src=x onerror='alert(1)'> & \"a\"\u{0}\u{202e}b";
        assert_eq!(
            Text(hostile).to_string(),
            "&lt;img src=x onerror=&#39;alert(1)&#39;&gt; &amp; &quot;a&quot;\u{fffd}\u{fffd}b"
        );
    }

    #[test]
    fn a_table_that_a_narrow_screen_has_no_room_for_is_stacked() {
        let stacked = |header: &[&str], words| {
            let mut markup = Markup::default();
            markup.table(&Table { name: "t", header, words, rows: &[], total: None });
            markup.text.contains("class=\"stack\"")
        };
        assert!(!stacked(&["a", "b", "c", "d"], 1));
        assert!(stacked(&["a", "b", "c", "d", "e"], 1));
        // Names may be long: two in one row do not fit.
        assert!(stacked(&["a", "b", "c"], 2));
    }

    #[test]
    fn cells_and_titles_are_text() {
        let mut markup = Markup::default();
        let cells = ["<a>", "<b>", "<c>"].map(str::to_owned);
        let rows = [cells.to_vec()];
        let (name, header) = ("\"><e>", ["<h>"]);
        markup.table(&Table { name, header: &header, words: 1, rows: &rows, total: Some(&cells) });
        markup.section("here", "<s>");
        let body = markup;
        let mut markup = Markup::default();
        markup.append_with_contents(&body);
        let page = markup.into_page("</title><script>");
        for hostile in ["<h>", "<a>", "<b>", "<c>", "<e>", "<s>", "<script"] {
            assert!(!page.contains(hostile), "{hostile}");
        }
        assert!(page.contains("&lt;/title&gt;"));
    }
}
