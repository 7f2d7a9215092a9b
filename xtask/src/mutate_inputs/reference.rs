//! A second reader of requests files, slow and strict: what the rows of an accepted file say of one field.

use serde_json::Value;

/// The `correlation_id` of each row, empty where it has none and `None` where it is not to be compared; or why the program should have refused the file.
pub(super) fn calls(given: &[u8]) -> Result<Vec<Option<String>>, String> {
    let text = std::str::from_utf8(given).map_err(|_| "accepted what is not UTF-8".to_owned())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with('{') { of_json(text) } else { of_csv(text) }
}

fn of_json(text: &str) -> Result<Vec<Option<String>>, String> {
    let lines = text.split('\n').filter(|line| !line.trim().is_empty());
    let call = |line: &str| {
        let object: serde_json::Map<String, Value> = serde_json::from_str(line)
            .map_err(|error| format!("accepted what is no object: {error}"))?;
        let said =
            object.iter().find(|(name, _)| name.eq_ignore_ascii_case(FIELD)).map(|(_, said)| said);
        Ok(match said {
            Some(Value::String(text)) => Some(text.clone()),
            // The program keeps a number's digits as they are written, the library writes some otherwise.
            Some(Value::Number(_)) => None,
            _ => Some(String::new()),
        })
    };
    lines.map(call).collect()
}

fn of_csv(text: &str) -> Result<Vec<Option<String>>, String> {
    let mut records = records(text)?.into_iter();
    let header = records.next().unwrap_or_default();
    let column = header.iter().position(|name| name.eq_ignore_ascii_case(FIELD));
    let call = |record: Vec<String>| {
        if record.len() != header.len() {
            return Err("accepted a row of another length".to_owned());
        }
        Ok(Some(column.and_then(|column| record.get(column).cloned()).unwrap_or_default()))
    };
    records.map(call).collect()
}

const FIELD: &str = "correlation_id";

/// Every record that is not an empty line.
fn records(text: &str) -> Result<Vec<Vec<String>>, String> {
    let mut records = Vec::new();
    let mut record: Vec<String> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let cell;
        (cell, rest) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let end = closing(quoted).ok_or("accepted a quote that is never closed")?;
                let (inside, behind) = quoted.split_at(end);
                (inside.replace("\"\"", "\""), behind.get(1..).unwrap_or_default())
            }
            None => {
                let end = rest.find([',', '\n']).unwrap_or(rest.len());
                let (cell, behind) = rest.split_at(end);
                let cell = if behind.starts_with(',') {
                    cell
                } else {
                    cell.strip_suffix('\r').unwrap_or(cell)
                };
                if cell.contains('"') || cell.trim() != cell || cell.contains(char::is_control) {
                    return Err(format!("accepted the cell `{cell}`"));
                }
                (cell.to_owned(), behind)
            }
        };
        record.push(cell);
        let line_break = ["\r\n", "\n"].iter().find_map(|end| rest.strip_prefix(end));
        match (rest.strip_prefix(','), line_break) {
            (Some(behind), _) => {
                rest = behind;
                if rest.is_empty() {
                    record.push(String::new());
                }
            }
            (None, Some(behind)) => {
                rest = behind;
                records.push(std::mem::take(&mut record));
            }
            (None, None) if rest.is_empty() => {}
            (None, None) => return Err("accepted letters behind a closing quote".to_owned()),
        }
    }
    if !record.is_empty() {
        records.push(record);
    }
    // An unquoted empty line has one cell without letters. One in quotes would be a row, and its column is not asked for.
    records.retain(|record| record.len() > 1 || record.iter().any(|cell| !cell.is_empty()));
    Ok(records)
}

/// The place of the quote that closes a cell: the first one that is not doubled.
fn closing(quoted: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + quoted.get(from..)?.find('"')?;
        if !quoted.get(at + 1..)?.starts_with('"') {
            return Some(at);
        }
        from = at + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_named_by_its_cell_or_its_key() {
        let csv = "a,Correlation_ID\r\n1,\"x, \"\"y\"\"\"\n\n2,\n3,z";
        let expected = ["x, \"y\"", "", "z"].map(|call| Some(call.to_owned()));
        assert_eq!(calls(csv.as_bytes()).as_deref(), Ok(expected.as_slice()));
        let json = "{\"correlation_id\": \"x\"}\n \n{}\n";
        assert_eq!(calls(json.as_bytes()), Ok(vec![Some("x".to_owned()), Some(String::new())]));
        assert_eq!(calls(b""), Ok(Vec::new()));
    }

    #[test]
    fn what_is_malformed_should_have_been_refused() {
        for text in
            ["a\n\"x\"y", "a\nx\"y", "a\n\"x", "a\n x", "a,b\n1", "a\n1\r2", "{\"a\": 1}\n["]
        {
            assert!(calls(text.as_bytes()).is_err(), "{text}");
        }
    }
}
