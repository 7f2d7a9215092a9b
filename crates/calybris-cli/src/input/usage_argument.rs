//! The usage of a call as an argument: `input=1000,cache_read=80000,output=500`.

use calybris_catalog::text::quoted;
use calybris_core::kernel::{TokenClass, Usage};

use super::usage::U32;
use super::whole::is_whole;

/// The name of the count that is no class of tokens.
const SEARCHES: &str = "searches";

/// One count of a usage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    /// The class; `None` for searches.
    class: Option<TokenClass>,
    count: u32,
}

impl Count {
    /// Parses `input=1000`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let Some((name, digits)) = text.split_once('=') else {
            return Err("it is NAME=COUNT, such as `input=1000`".to_owned());
        };
        let class = TokenClass::ALL.into_iter().find(|class| class.name() == name);
        if class.is_none() && name != SEARCHES {
            let known = TokenClass::ALL.map(TokenClass::name).join(", ");
            return Err(format!("{} is no count; these are: {known}, {SEARCHES}", quoted(name)));
        }
        let count = is_whole(digits).then(|| digits.parse().ok()).flatten();
        let count = count.ok_or_else(|| format!("{}: allowed is {U32}", quoted(digits)))?;
        Ok(Self { class, count })
    }
}

/// The usage of these counts.
pub(crate) fn total(counts: &[Count]) -> Result<Usage, String> {
    let mut usage = Usage::default();
    for (place, Count { class, count }) in counts.iter().enumerate() {
        if counts.iter().take(place).any(|before| before.class == *class) {
            let name = class.map_or(SEARCHES, TokenClass::name);
            return Err(format!("--usage: {} appears twice", quoted(name)));
        }
        usage = match class {
            Some(class) => usage.with_tokens(*class, *count),
            None => usage.with_searches(*count),
        };
    }
    Ok(usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(text: &str) -> Result<Usage, String> {
        total(&text.split(',').map(Count::parse).collect::<Result<Vec<_>, _>>()?)
    }

    #[test]
    fn every_count_has_its_name() {
        let text = "input=1,cache_read=2,cache_write=3,cache_write_long=4,audio_input=5,output=6,reasoning=7,\
                    audio_output=8,searches=9";
        let read = usage(text).unwrap();
        assert_eq!(TokenClass::ALL.map(|class| read.tokens(class)), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(
            (read.searches, usage("output=4294967295").unwrap().output_tokens),
            (9, u32::MAX)
        );
    }

    #[test]
    fn what_is_no_count_is_refused() {
        for (text, part) in [
            ("", "NAME=COUNT"),
            ("input", "NAME=COUNT"),
            ("tokens=1", "`tokens` is no count; these are: input, cache_read"),
            ("Input=1", "no count"),
            ("input=", "from 0 to 4,294,967,295"),
            ("input=-1", "`-1`: allowed is"),
            ("input=4294967296", "`4294967296`"),
            ("input=1,output=1,input=1", "`input` appears twice"),
            ("searches=1,searches=1", "`searches` appears twice"),
        ] {
            let told = usage(text).unwrap_err();
            assert!(told.contains(part), "{text}: {told}");
        }
    }
}
