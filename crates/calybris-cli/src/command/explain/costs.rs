//! What a model costs: the expected usage class by class, and the most that the request may use.

use calybris_core::kernel::{Ceiling, Model, TokenClass};
use serde_json::{Value, json};

use super::explained::Explained;
use crate::amount::{grouped, money};
use crate::bill::{self, Bill};
use crate::log::usage::searches_words;
use crate::output::Page;
use crate::terminal::{Paint, fitted};

/// The models whose costs are told: the chosen one, and the one that the user names.
pub(super) fn models(explained: &Explained<'_>, asked_model: Option<u32>) -> Vec<u32> {
    let mut models: Vec<u32> =
        explained.explanation.decision.selected_model_id.into_iter().chain(asked_model).collect();
    models.dedup();
    models
}

pub(super) fn words(explained: &Explained<'_>, model_id: u32, paint: Paint, page: &mut Page) {
    let Some(model) = explained.snapshot.policy_snapshot().model(model_id) else { return };
    let bill = Bill::of(&model.price, &explained.request.usage);
    let name = fitted(&explained.name(model_id), 40);
    page.line(paint.strong(&format!("{name} costs {}", money(bill.total.get()))));
    page.line(bill.table());
    if let Some(band) = bill.band_words() {
        page.line(band);
    }
    if let Some(ceiling) = &explained.request.ceiling {
        page.wrapped("", &at_most(&model, ceiling));
    }
    page.line("");
}

/// The maximum cost, and the rates that it is made of.
fn at_most(model: &Model, ceiling: &Ceiling) -> String {
    let cost = match model.price.maximum_cost(ceiling) {
        Some(cost) => format!("{} at most", money(cost.get())),
        None => "more than any budget at most".to_owned(),
    };
    let rates = model.price.band(ceiling.prompt_tokens.into()).rates;
    let side = |is_prompt: bool, tokens: u32, what: &str| {
        let classes = ceiling.classes.iter().filter(|class| class.is_prompt() == is_prompt);
        // Of equal ones the first in the order of classes.
        let dearest = classes.fold(None, |dearest: Option<TokenClass>, class| match dearest {
            Some(dearest) if rates.of(dearest) >= rates.of(class) => Some(dearest),
            _ => Some(class),
        })?;
        let (class, rate) = (bill::words(dearest), money(rates.of(dearest).get()));
        (tokens > 0)
            .then(|| format!("{} {what} tokens of class {class} at {rate}", grouped(tokens)))
    };
    let searches = (ceiling.searches > 0).then(|| searches_words(ceiling.searches));
    let parts = [
        side(true, ceiling.prompt_tokens, "prompt"),
        side(false, ceiling.completion_tokens, "completion"),
        searches,
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    match parts.as_slice() {
        [] => format!("{cost}: the request may use nothing"),
        parts => format!("{cost}: {}", parts.join(", ")),
    }
}

/// The same for machines.
pub(super) fn object(explained: &Explained<'_>, model_id: u32) -> Value {
    let Some(model) = explained.snapshot.policy_snapshot().model(model_id) else {
        return Value::Null;
    };
    let request = explained.request;
    let mut object = Bill::of(&model.price, &request.usage).json();
    if let Some(fields) = object.as_object_mut() {
        fields.insert("model".to_owned(), json!(explained.name(model_id)));
        let maximum = match &request.ceiling {
            Some(ceiling) => model.price.maximum_cost(ceiling),
            None => Some(model.price.cost(&request.usage)),
        };
        fields.insert("maximum_cost_microunits".to_owned(), json!(maximum));
    }
    object
}
