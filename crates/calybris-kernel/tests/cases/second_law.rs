//! Cases with classes of tokens, bands, fees, ceilings, windows, groups and exclusions, most of their numbers where a rule
//! begins to apply, or one to either side.

use calybris_kernel::{
    BasisPoints, Ceiling, ExcludedModels, Group, Microunits, Model, Policy, Price, Rates, Request,
    SearchFee, TokenClass, TokenClassSet, Usage, Window,
};

use super::{Case, Dice, Flavour};
use crate::oracle;

impl Case {
    /// A case that uses all of the law.
    pub(crate) fn of_second_law(seed: u64, max_models: u64, request_count: usize) -> Self {
        let dice = &mut Dice(seed);
        let flavour = dice.pick(&[
            Flavour::Ties,
            Flavour::Ties,
            Flavour::Real,
            Flavour::Real,
            Flavour::Guards,
            Flavour::Extreme,
        ]);
        let mut case = Self::of_flavour(dice, flavour, max_models, 0);
        let lengths = lengths(dice, flavour);
        // A catalog may use a part of the law only.
        let (has_bands, has_classes) = (!dice.one_in(4), !dice.one_in(4));
        let (has_fees, has_windows) = (!dice.one_in(3), !dice.one_in(3));
        for model in &mut case.models {
            let bands = if has_bands { dice.pick(&[0, 0, 1, 2, 3]) } else { 0 };
            model.price = price(dice, flavour, &lengths, model, [bands, u64::from(has_classes)]);
            if has_fees {
                model.price = model.price.with_search_fee(search_fee(dice, flavour));
            }
            if has_windows {
                model.window = window(dice, flavour, &lengths);
            }
        }
        case.groups = groups(dice, &case.models);
        case.requests =
            (0..request_count).map(|_| request(dice, flavour, &lengths, &case)).collect();
        case
    }
}

/// A price of any kind, and a length that matters to it.
pub(crate) fn any_price(dice: &mut Dice) -> (Price, u32) {
    let flavour = dice.pick(&[Flavour::Ties, Flavour::Real, Flavour::Extreme]);
    let lengths = lengths(dice, flavour);
    let model = super::model(dice, flavour, false);
    let bands = dice.below(4);
    let price = price(dice, flavour, &lengths, &model, [bands, 1]);
    (price.with_search_fee(search_fee(dice, flavour)), dice.pick(&lengths))
}

/// Prompt lengths that thresholds and windows lie at, ascending.
fn lengths(dice: &mut Dice, flavour: Flavour) -> Vec<u32> {
    let mut lengths: Vec<u32> = match flavour {
        Flavour::Ties => vec![1, 1_000, 2_000, 3_000, 5_000],
        Flavour::Real | Flavour::Outliers => vec![4_000, 8_000, 12_000, 32_000, 128_000],
        Flavour::Extreme | Flavour::Guards => {
            let mut any: Vec<u32> = (0..5).map(|_| (dice.any_magnitude() >> 32) as u32).collect();
            any.extend([1, u32::MAX - 1, u32::MAX]);
            any
        }
    };
    lengths.retain(|&length| length > 0);
    lengths.sort_unstable();
    lengths.dedup();
    lengths
}

/// An amount that is added to another, often nothing.
fn some(dice: &mut Dice, flavour: Flavour) -> u64 {
    match flavour {
        Flavour::Ties => dice.pick(&[0, 0, 500_000, 1_000_000]),
        Flavour::Real | Flavour::Outliers => {
            let any = dice.below(30_000_000);
            dice.pick(&[0, any])
        }
        Flavour::Extreme => {
            let any = dice.any_magnitude();
            dice.pick(&[0, 1, any])
        }
        Flavour::Guards => {
            let any = dice.any_magnitude() >> 28;
            dice.pick(&[0, 1, any])
        }
    }
}

/// The plain rates and the fixed price of a model, with rates of classes and with more bands.
fn price(
    dice: &mut Dice,
    flavour: Flavour,
    lengths: &[u32],
    model: &Model,
    [bands, has_classes]: [u64; 2],
) -> Price {
    let (input, output, fixed) = super::flat_price(model);
    let mut rates = Rates::plain(Microunits::new(input), Microunits::new(output));
    if has_classes > 0 {
        for class in TokenClass::ALL {
            if dice.one_in(3) {
                let plain = rates.plain_of(class).get();
                let other = some(dice, flavour);
                let rate =
                    dice.pick(&[0, plain / 10, plain / 2, other, plain.saturating_add(other)]);
                rates = rates.with(class, Microunits::new(rate));
            }
        }
    }
    let mut price = Price::new(rates).with_fixed_price(Microunits::new(fixed));
    let mut thresholds: Vec<u32> = (0..bands).map(|_| dice.pick(lengths)).collect();
    thresholds.sort_unstable();
    thresholds.dedup();
    for threshold in thresholds {
        let raises = if dice.one_in(8) { 0 } else { 2 };
        for class in TokenClass::ALL {
            if dice.below(3) < raises {
                let rate = rates.of(class).get().saturating_add(some(dice, flavour));
                rates = rates.with(class, Microunits::new(rate));
            }
        }
        price = price.with_band(threshold, rates).unwrap();
    }
    price
}

fn search_fee(dice: &mut Dice, flavour: Flavour) -> SearchFee {
    let amount = Microunits::new(match flavour {
        Flavour::Ties => dice.pick(&[0, 100, 200]),
        Flavour::Real | Flavour::Outliers => dice.below(50_000),
        Flavour::Extreme => dice.any_magnitude(),
        Flavour::Guards => dice.any_magnitude() >> dice.pick(&[23, 24, 40]),
    });
    match dice.below(3) {
        0 => SearchFee::NONE,
        1 => SearchFee::per_search(amount),
        _ => SearchFee::per_request(amount),
    }
}

fn window(dice: &mut Dice, flavour: Flavour, lengths: &[u32]) -> Window {
    let mut window = Window::UNKNOWN;
    let maximum = |dice: &mut Dice| match flavour {
        Flavour::Ties => 1_000 * dice.below(6) as u32,
        _ => dice.pick(lengths).saturating_add(dice.pick(&[0, 1, 1 << 16])),
    };
    if dice.one_in(3) {
        window = window.with_max_prompt_tokens(maximum(dice));
    }
    if dice.one_in(3) {
        window = window.with_max_completion_tokens(maximum(dice));
    }
    if dice.one_in(3) {
        window = window.with_max_total_tokens(maximum(dice));
    }
    window
}

/// Up to six groups, seldom all 256: of some models, of one, of none, of disabled ones only.
fn groups(dice: &mut Dice, models: &[Model]) -> Vec<Group> {
    let count = if dice.one_in(64) { 256 } else { dice.below(7) };
    let stride = if count == 256 { 1 } else { dice.pick(&[1, 7, 36]) };
    let mut groups: Vec<Group> = (0..count)
        .map(|number| {
            let kind = dice.below(12);
            let share = dice.pick(&[2, 2, 8, 64]);
            let mut model_ids: Vec<u32> = models
                .iter()
                .filter(|model| match kind {
                    0 => false,
                    1 => !model.enabled,
                    _ => dice.one_in(share),
                })
                .map(|model| model.model_id)
                .collect();
            model_ids.reverse();
            if dice.one_in(4) {
                model_ids.extend(model_ids.first().copied());
            }
            Group::new((number * stride) as u8, model_ids)
        })
        .collect();
    groups.reverse();
    groups
}

fn request(dice: &mut Dice, flavour: Flavour, lengths: &[u32], case: &Case) -> Request {
    let mut request = super::request(dice, flavour);
    if dice.one_in(3) {
        // Nothing but the new rules turns a model away.
        request = request
            .with_business_value_microunits(1 << dice.pick(&[24, 40, 60]))
            .with_budget_limit(Microunits::MAX)
            .with_risk(BasisPoints::ZERO);
    }
    if !dice.one_in(5) {
        request.usage = usage(dice, flavour, lengths, request.usage);
    }
    if !dice.one_in(3) {
        request.ceiling = Some(ceiling(dice, lengths, &request.usage));
    }
    if !case.groups.is_empty() && dice.one_in(2) {
        request.group_id = Some(if dice.one_in(16) {
            dice.below(256) as u8
        } else {
            case.groups[dice.below(case.groups.len() as u64) as usize].group_id
        });
    }
    put_on_a_boundary(dice, &case.policy, &case.models, &mut request);
    if dice.one_in(2) {
        request.excluded_models = excluded(dice, case, &request);
    }
    request
}

fn usage(dice: &mut Dice, flavour: Flavour, lengths: &[u32], plain: Usage) -> Usage {
    let mut usage = plain;
    let share = dice.pick(&[2, 4, 8]);
    for class in TokenClass::ALL {
        if dice.one_in(share) {
            let tokens = match flavour {
                Flavour::Ties => 1_000 * dice.below(3) as u32,
                Flavour::Real | Flavour::Outliers => dice.below(20_000) as u32,
                Flavour::Extreme | Flavour::Guards => dice.any_magnitude() as u32,
            };
            usage = usage.with_tokens(class, tokens);
        }
    }
    if dice.one_in(3) {
        usage.searches = match flavour {
            Flavour::Extreme | Flavour::Guards => dice.any_magnitude() as u32,
            _ => dice.below(4) as u32,
        };
    }
    if dice.one_in(2) {
        // The prompt is as long as a threshold or a window, or one to either side.
        let length = i64::from(dice.pick(lengths)) + dice.below(3) as i64 - 1;
        usage.input_tokens = 0;
        let others = usage.prompt_tokens() as i64;
        usage.input_tokens = (length - others).clamp(0, u32::MAX.into()) as u32;
    }
    usage
}

/// A ceiling at the usage or above it; a few are not valid, by one token or one class.
fn ceiling(dice: &mut Dice, lengths: &[u32], usage: &Usage) -> Ceiling {
    let above = |dice: &mut Dice, used: u64| {
        let used = u32::try_from(used).unwrap_or(u32::MAX);
        let length = dice.pick(lengths).saturating_add(dice.below(3) as u32).saturating_sub(1);
        let more = dice.pick(&[0, 0, 1, 1_000, u32::MAX]);
        used.max(dice.pick(&[length, used.saturating_add(more)]))
    };
    let mut ceiling =
        Ceiling::new(above(dice, usage.prompt_tokens()), above(dice, usage.completion_tokens()))
            .with_searches(usage.searches.saturating_add(dice.pick(&[0, 0, 1, 5, u32::MAX])));
    let used: TokenClassSet =
        TokenClass::ALL.into_iter().filter(|&class| usage.tokens(class) > 0).collect();
    ceiling.classes = match dice.below(3) {
        0 => TokenClassSet::ALL,
        1 => TokenClassSet::from_bits(used.bits() | dice.roll() as u8),
        _ => used.with(TokenClass::Input).with(TokenClass::Output),
    };
    if dice.one_in(12) {
        let below = |used: u64| u32::try_from(used).unwrap_or(u32::MAX).saturating_sub(1);
        match dice.below(6) {
            0 => ceiling.prompt_tokens = below(usage.prompt_tokens()),
            1 => ceiling.completion_tokens = below(usage.completion_tokens()),
            2 => ceiling.searches = below(usage.searches.into()),
            3..5 => {
                let used: Vec<TokenClass> = used.iter().collect();
                let class = if used.is_empty() { TokenClass::Output } else { dice.pick(&used) };
                ceiling.classes = ceiling.classes.without(class);
            }
            _ => {
                let side = dice.pick(&[TokenClassSet::PROMPT, TokenClassSet::COMPLETION]);
                ceiling.classes = ceiling.classes.intersection(side);
            }
        }
    }
    ceiling
}

/// Up to sixteen models: the best that the request could be given, any, and ids that the catalog does not have.
fn excluded(dice: &mut Dice, case: &Case, request: &Request) -> ExcludedModels {
    let most = dice.pick(&[1, 2, 3, 8, 16]);
    let mut ids = Vec::new();
    if dice.one_in(2) && oracle::invalid(&case.groups, request).is_none() {
        let candidates = oracle::candidates(&case.models, &case.groups, request);
        let order = oracle::ranking(&case.policy, &candidates, request);
        ids.extend(order.iter().take(1 + dice.below(4) as usize).map(|best| best.model_id));
    }
    while ids.len() < most {
        let listed = !case.models.is_empty() && !dice.one_in(4);
        ids.push(if listed { dice.pick(&case.models).model_id } else { dice.roll() as u32 });
    }
    ids.truncate(most);
    ExcludedModels::new(&ids).unwrap()
}

/// Moves one of the request's numbers to what a model of the catalog holds, or one to either side of it.
fn put_on_a_boundary(dice: &mut Dice, policy: &Policy, models: &[Model], request: &mut Request) {
    if models.is_empty() || dice.one_in(3) {
        return;
    }
    let model = dice.pick(models);
    let step = dice.below(3);
    let near = |limit: u64| limit.saturating_add(step).saturating_sub(1);
    match dice.below(8) {
        0 => {
            if let Some(maximum) = model.window.max_completion_tokens {
                set_completion_tokens(request, near(maximum.into()));
            }
        }
        1 => {
            if let Some(maximum) = model.window.max_total_tokens {
                let prompt_tokens = match &request.ceiling {
                    Some(ceiling) => ceiling.prompt_tokens.into(),
                    None => request.usage.prompt_tokens(),
                };
                set_completion_tokens(request, near(maximum.into()).saturating_sub(prompt_tokens));
            }
        }
        2 => {
            if let (Some(maximum), Some(ceiling)) =
                (model.window.max_prompt_tokens, &mut request.ceiling)
            {
                ceiling.prompt_tokens = near(maximum.into()).min(u32::MAX.into()) as u32;
            }
        }
        3..6 => {
            let maximum = oracle::maximum_cost(request, &model).unwrap_or(u64::MAX);
            request.budget_limit = Microunits::new(near(maximum));
            request.business_value_microunits = request.business_value_microunits.max(1 << 50);
        }
        _ => super::put_value_on_a_boundary(step, policy, &model, request),
    }
}

/// The most tokens of the completion: those of the ceiling, or of the usage.
fn set_completion_tokens(request: &mut Request, tokens: u64) {
    let tokens = tokens.min(u32::MAX.into()) as u32;
    match &mut request.ceiling {
        Some(ceiling) => ceiling.completion_tokens = tokens,
        None => {
            request.usage = request
                .usage
                .with_tokens(TokenClass::Output, tokens)
                .with_reasoning_tokens(0)
                .with_audio_output_tokens(0);
        }
    }
}
