//! Codes: permanent numbers in the log, names in JSON. An unknown one can be read and is refused when it is given a meaning.

use super::invalid::InvalidField;
use calybris_kernel::{Action, Reason};
use serde::{Deserialize, Serialize, Serializer};

/// The code of an [`Action`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(super) struct ActionCode(u8);

/// The code of a [`Reason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(super) struct ReasonCode(u16);

impl From<Action> for ActionCode {
    fn from(action: Action) -> Self {
        Self(action.code())
    }
}

impl From<Reason> for ReasonCode {
    fn from(reason: Reason) -> Self {
        Self(reason.code())
    }
}

impl TryFrom<ActionCode> for Action {
    type Error = InvalidField;

    fn try_from(code: ActionCode) -> Result<Self, InvalidField> {
        Self::try_from(code.0).map_err(|unknown| InvalidField::new("decision.action", unknown))
    }
}

impl TryFrom<ReasonCode> for Reason {
    type Error = InvalidField;

    fn try_from(code: ReasonCode) -> Result<Self, InvalidField> {
        Self::try_from(code.0).map_err(|unknown| InvalidField::new("decision.reason", unknown))
    }
}

impl Serialize for ActionCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match Action::try_from(self.0) {
            Ok(action) if serializer.is_human_readable() => {
                serializer.collect_str(&format_args!("{action:?}"))
            }
            _ => serializer.serialize_u8(self.0),
        }
    }
}

impl Serialize for ReasonCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match Reason::try_from(self.0) {
            Ok(reason) if serializer.is_human_readable() => {
                serializer.collect_str(&format_args!("{reason:?}"))
            }
            _ => serializer.serialize_u16(self.0),
        }
    }
}
