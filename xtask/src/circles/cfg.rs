//! Whether an item is part of what is built: neither of tests nor of documentation alone.

use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, Token};

/// Whether every `#[cfg(...)]` can hold outside of tests and documentation.
pub(super) fn is_built(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).all(|attribute| {
        attribute.parse_args::<Meta>().map_or(true, |condition| values(&condition).can_be_true)
    })
}

/// The possible values of a condition over all features and systems.
struct Values {
    can_be_true: bool,
    can_be_false: bool,
}

fn values(condition: &Meta) -> Values {
    let path = condition.path();
    if ["test", "doc", "doctest"].iter().any(|never| path.is_ident(never)) {
        return Values { can_be_true: false, can_be_false: true };
    }
    let parts = || match condition {
        Meta::List(list) => {
            let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
            parts.into_iter().flatten().map(|part| values(&part)).collect()
        }
        _ => Vec::new(),
    };
    if path.is_ident("not") {
        let parts = parts();
        Values {
            can_be_true: parts.iter().all(|part| part.can_be_false),
            can_be_false: parts.iter().all(|part| part.can_be_true),
        }
    } else if path.is_ident("all") {
        let parts = parts();
        Values {
            can_be_true: parts.iter().all(|part| part.can_be_true),
            can_be_false: parts.iter().any(|part| part.can_be_false),
        }
    } else if path.is_ident("any") {
        let parts = parts();
        Values {
            can_be_true: parts.iter().any(|part| part.can_be_true),
            can_be_false: parts.iter().all(|part| part.can_be_false),
        }
    } else {
        Values { can_be_true: true, can_be_false: true }
    }
}
