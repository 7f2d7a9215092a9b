//! The frame of a page: one file that loads nothing and runs nothing, and text that cannot become markup.

use std::fmt::{self, Write as _};

/// Markup that is being written.
#[derive(Debug, Default)]
pub(crate) struct Markup(String);

/// Text from outside, as HTML shows it: nothing in it is markup, and nothing turns the order of the letters around.
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl Markup {
    /// Adds markup. What comes from outside has to be [`Text`].
    pub(crate) fn add(&mut self, markup: fmt::Arguments<'_>) {
        // Writing to a `String` does not fail.
        let _ = self.0.write_fmt(markup);
        self.0.push('\n');
    }

    /// A table. Header and cells are escaped here; the columns after the first `words` hold numbers.
    pub(crate) fn table(&mut self, header: &[&str], words: usize, rows: &[Vec<String>]) {
        let class = |column: usize| if column < words { "" } else { " class=\"n\"" };
        // On a narrow screen each row of such a table becomes a list, whose items the header names.
        let is_wide = header.len() > MOST_COLUMNS || words > 1;
        let stacked = if is_wide { " class=\"stack\"" } else { "" };
        self.add(format_args!("<div class=\"wide\" tabindex=\"0\"><table{stacked}>\n<thead><tr>"));
        for (column, name) in header.iter().enumerate() {
            self.add(format_args!("<th scope=\"col\"{}>{}</th>", class(column), Text(name)));
        }
        self.add(format_args!("</tr></thead>\n<tbody>"));
        for row in rows {
            self.0.push_str("<tr>");
            for (column, cell) in row.iter().enumerate() {
                let cell = breakable(cell);
                let _ = match column {
                    0 => write!(self.0, "<th scope=\"row\"{}>{cell}</th>", class(column)),
                    _ => {
                        let name = Text(header.get(column).copied().unwrap_or_default());
                        write!(self.0, "<td{} data-name=\"{name}\">{cell}</td>", class(column))
                    }
                };
            }
            self.0.push_str("</tr>\n");
        }
        self.add(format_args!("</tbody></table></div>"));
    }

    /// What was written, as a whole page.
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
        page.0.push_str(&self.0);
        page.add(format_args!("</main>\n</body>\n</html>"));
        page.0
    }
}

/// Text whose long names may be broken where their parts meet.
pub(crate) fn breakable(text: &str) -> String {
    // None of these letters is in what stands for a letter that is markup.
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

/// Columns that a narrow screen has room for.
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
            markup.table(header, words, &[]);
            markup.0.contains("class=\"stack\"")
        };
        assert!(!stacked(&["a", "b", "c", "d"], 1));
        assert!(stacked(&["a", "b", "c", "d", "e"], 1));
        // Names are as long as they are: two in a row do not fit.
        assert!(stacked(&["a", "b", "c"], 2));
    }

    #[test]
    fn cells_and_titles_are_text() {
        let mut markup = Markup::default();
        markup.table(&["<h>"], 1, &[vec!["<a>".to_owned(), "<b>".to_owned()]]);
        let page = markup.into_page("</title><script>");
        for hostile in ["<h>", "<a>", "<b>", "<script"] {
            assert!(!page.contains(hostile), "{hostile}");
        }
        assert!(page.contains("&lt;/title&gt;"));
    }
}
