//! What a call costs, line by line: each class of tokens with its rate, and the fees.

use calybris_core::kernel::{Band, Microunits, Price, SearchFee, TokenClass, Usage};
use serde_json::{Value, json};

use crate::amount::{grouped, money};
use crate::table::table;

/// What a usage costs at a price.
pub(crate) struct Bill {
    usage: Usage,
    band: Band,
    /// The threshold of the next band; `None` in the last one.
    next_threshold: Option<u32>,
    /// Whether the price has one band only.
    is_any_length: bool,
    fixed_price: Microunits,
    search_fee: SearchFee,
    /// [`Microunits::MAX`] also stands for anything above it.
    pub(crate) total: Microunits,
}

impl Bill {
    pub(crate) fn of(price: &Price, usage: &Usage) -> Self {
        let band = *price.band(usage.prompt_tokens());
        let mut thresholds = price.bands().map(|band| band.above_prompt_tokens);
        Self {
            usage: *usage,
            band,
            next_threshold: thresholds.find(|threshold| *threshold > band.above_prompt_tokens),
            is_any_length: price.bands().count() == 1,
            fixed_price: price.fixed_price(),
            search_fee: price.search_fee(),
            total: price.cost(usage),
        }
    }

    /// The classes that are used.
    fn classes(&self) -> impl Iterator<Item = TokenClass> {
        TokenClass::ALL.into_iter().filter(|class| self.usage.tokens(*class) > 0)
    }

    fn rate(&self, class: TokenClass) -> u64 {
        self.band.rates.of(class).get()
    }

    /// What the tokens of a class cost, exactly, in millionths of a microunit.
    fn exact(&self, class: TokenClass) -> u128 {
        u128::from(self.usage.tokens(class)) * u128::from(self.rate(class))
    }

    /// What the tokens of one side cost, rounded up to a microunit.
    fn side_microunits(&self, is_prompt: bool) -> u128 {
        let classes = TokenClass::ALL.into_iter().filter(|class| class.is_prompt() == is_prompt);
        classes.map(|class| self.exact(class)).sum::<u128>().div_ceil(MILLION)
    }

    fn charged_searches(&self) -> u32 {
        self.search_fee.charged_searches(self.usage.searches)
    }

    /// The table: a line for each class that is used and for each fee, and the total.
    pub(crate) fn table(&self) -> String {
        let classes = self.classes().map(|class| {
            let (tokens, rate) = (grouped(self.usage.tokens(class)), money(self.rate(class)));
            (words(class), tokens, rate, self.exact(class))
        });
        // What the line is, its count, its rate, and its amount in millionths of a microunit.
        let mut lines: Vec<(String, String, String, u128)> = classes.collect();
        let exact: u128 = lines.iter().map(|(.., amount)| amount).sum();
        let sides = self.side_microunits(true) + self.side_microunits(false);
        let line = |what: &str, amount| (what.to_owned(), String::new(), String::new(), amount);
        if sides * MILLION > exact {
            lines.push(line("rounded up", (sides * MILLION).saturating_sub(exact)));
        }
        if self.usage.searches > 0 {
            let fee = self.search_fee.amount().get();
            let per = if self.search_fee.is_per_request() { "once" } else { "each" };
            let amount = u128::from(fee) * u128::from(self.charged_searches()) * MILLION;
            let rate = format!("{} {per}", money(fee));
            lines.push(("searches".to_owned(), grouped(self.usage.searches), rate, amount));
        }
        if !self.fixed_price.is_zero() {
            lines.push(line("fixed price", u128::from(self.fixed_price.get()) * MILLION));
        }
        lines.push(line("total", u128::from(self.total.get()) * MILLION));
        let digits = lines.iter().map(|(.., amount)| digits_beyond_microunits(*amount)).max();
        let digits = digits.unwrap_or_default();
        let rows = lines.into_iter().map(|(what, count, rate, amount)| {
            vec![what, count, rate, exact_money(amount, digits)]
        });
        table(&["class", "tokens", "per million", "amount"], &[1, 2, 3], rows)
    }

    /// The band in words, for a price that depends on the length of the prompt; `None` for one that does not.
    pub(crate) fn band_words(&self) -> Option<String> {
        if self.is_any_length {
            return None;
        }
        let band = match (self.band.above_prompt_tokens, self.next_threshold) {
            (0, Some(next)) => format!("up to {}", grouped(next)),
            (above, Some(next)) => format!("above {}, up to {}", grouped(above), grouped(next)),
            (above, None) => format!("above {}", grouped(above)),
        };
        let prompt = grouped(self.usage.prompt_tokens());
        Some(format!("rates of the band {band} prompt tokens; this prompt has {prompt}"))
    }

    /// The fields of a JSON object.
    pub(crate) fn json(&self) -> Value {
        let lines = self.classes().map(|class| {
            json!({
                "class": class,
                "tokens": self.usage.tokens(class),
                "rate_microunits_per_million_tokens": self.rate(class),
            })
        });
        json!({
            "cost_microunits": self.total,
            "classes": lines.collect::<Vec<_>>(),
            "prompt_tokens": self.usage.prompt_tokens(),
            "prompt_cost_microunits": self.side_microunits(true),
            "completion_tokens": self.usage.completion_tokens(),
            "completion_cost_microunits": self.side_microunits(false),
            "searches": self.usage.searches,
            "charged_searches": self.charged_searches(),
            "search_fee_microunits": self.search_fee.amount(),
            "fixed_price_microunits": self.fixed_price,
            "band": {
                "above_prompt_tokens": self.band.above_prompt_tokens,
                "up_to_prompt_tokens": self.next_threshold,
            },
        })
    }
}

const MILLION: u128 = 1_000_000;

/// A class in words: `cache write long`.
pub(crate) fn words(class: TokenClass) -> String {
    class.name().replace('_', " ")
}

/// Millionths of a microunit as currency units, with so many digits beyond the sixth.
fn exact_money(millionths: u128, digits: usize) -> String {
    let part = format!("{:06}", millionths % MILLION);
    format!("{}{}", money(millionths / MILLION), part.get(..digits).unwrap_or(&part))
}

/// How many digits beyond the sixth an amount needs: 0 to 6.
fn digits_beyond_microunits(millionths: u128) -> usize {
    format!("{:06}", millionths % MILLION).trim_end_matches('0').len()
}

#[cfg(test)]
mod tests {
    use calybris_core::kernel::Rates;

    use super::*;

    fn price() -> Price {
        let rate = Microunits::new;
        let short = Rates::plain(rate(3_000_000), rate(15_000_000))
            .with(TokenClass::CacheRead, rate(300_000));
        let long = Rates::plain(rate(6_000_000), rate(22_500_000))
            .with(TokenClass::CacheRead, rate(600_000));
        Price::new(short)
            .with_band(200_000, long)
            .unwrap()
            .with_fixed_price(rate(7))
            .with_search_fee(SearchFee::per_request(rate(10_000)))
    }

    #[test]
    fn each_class_and_each_fee_has_a_line_and_they_add_up() {
        let usage = Usage::new(1_001, 500).with_cache_read_tokens(199_001).with_searches(3);
        let bill = Bill::of(&price(), &usage);
        assert_eq!(bill.total.get(), 125_407 + 11_250 + 10_000 + 7);
        let table = bill.table();
        let lines: Vec<Vec<&str>> =
            table.lines().skip(2).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            lines,
            [
                vec!["input", "1,001", "6.000000", "0.0060060"],
                vec!["cache", "read", "199,001", "0.600000", "0.1194006"],
                vec!["output", "500", "22.500000", "0.0112500"],
                vec!["rounded", "up", "0.0000004"],
                vec!["searches", "3", "0.010000", "once", "0.0100000"],
                vec!["fixed", "price", "0.0000070"],
                vec!["total", "0.1466640"],
            ]
        );
    }

    #[test]
    fn the_band_is_that_of_the_prompt() {
        let words = |tokens| Bill::of(&price(), &Usage::new(tokens, 1)).band_words().unwrap();
        assert_eq!(
            words(200_000),
            "rates of the band up to 200,000 prompt tokens; this prompt has 200,000"
        );
        assert_eq!(
            words(200_001),
            "rates of the band above 200,000 prompt tokens; this prompt has 200,001"
        );
        let flat = Price::per_million_tokens(Microunits::new(1), Microunits::new(1));
        assert_eq!(Bill::of(&flat, &Usage::new(1, 1)).band_words(), None);
    }

    #[test]
    fn the_parts_are_what_the_kernel_charges() {
        // Each round gives every class another count, so that bands, remainders and absent classes mix.
        let counts = [0, 1, 999, 40_001, 333_333, u32::MAX];
        for round in 0..counts.len().pow(3) {
            let mut usage = Usage::default().with_searches(u32::try_from(round % 4).unwrap());
            for (place, class) in TokenClass::ALL.into_iter().enumerate() {
                let pick = (round * (place + 1) + round / counts.len() * place) % counts.len();
                usage = usage.with_tokens(class, counts[pick]);
            }
            let bill = Bill::of(&price(), &usage).json();
            let field = |name: &str| bill[name].as_u64().unwrap();
            let parts = field("prompt_cost_microunits")
                + field("completion_cost_microunits")
                + field("charged_searches") * field("search_fee_microunits")
                + field("fixed_price_microunits");
            assert_eq!(parts, price().cost(&usage).get(), "{usage:?}");
        }
    }
}
