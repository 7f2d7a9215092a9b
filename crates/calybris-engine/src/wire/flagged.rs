//! Structs with optional fields: a number before those says which of them are there.

use super::invalid::InvalidField;

/// Declares a struct whose first fields are those of another, which are always there. Then come the flags, a u16: bit `n` says
/// whether optional field `n` is there. Those that are there follow in the order of their numbers.
///
/// In JSON it is one object, without the flags, and a field that is not there has no key.
macro_rules! flagged {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident: $base:ty {
            $( $(#[$field_meta:meta])* $bit:literal $field:ident: $type:ty, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        $vis struct $name {
            base: $base,
            /// Flags that were read and mean nothing.
            unknown_flags: u16,
            $( $(#[$field_meta])* $field: Option<$type>, )+
        }

        impl $name {
            const KNOWN_FLAGS: u16 = 0 $( | 1 << $bit )+;
            const MOST_PARTS: usize = 2 $( + { let _: u8 = $bit; 1 } )+;

            fn flags(&self) -> u16 {
                self.unknown_flags $( | u16::from(self.$field.is_some()) << $bit )+
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeTuple as _;

                #[derive(serde::Serialize)]
                struct Object<'a> {
                    #[serde(flatten)]
                    base: &'a $base,
                    $(
                        #[serde(skip_serializing_if = "Option::is_none")]
                        $field: Option<&'a $type>,
                    )+
                }

                if serializer.is_human_readable() {
                    let fields = Object { base: &self.base, $( $field: self.$field.as_ref(), )+ };
                    return fields.serialize(serializer);
                }
                let mut parts = serializer.serialize_tuple(Self::MOST_PARTS)?;
                parts.serialize_element(&self.base)?;
                parts.serialize_element(&self.flags())?;
                $(
                    if let Some(part) = &self.$field {
                        parts.serialize_element(part)?;
                    }
                )+
                parts.end()
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Parts;

                impl<'de> serde::de::Visitor<'de> for Parts {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("fields, flags and the fields that those name")
                    }

                    fn visit_seq<A: serde::de::SeqAccess<'de>>(
                        self,
                        mut parts: A,
                    ) -> Result<$name, A::Error> {
                        let base = $crate::wire::flagged::next(&mut parts)?;
                        let flags: u16 = $crate::wire::flagged::next(&mut parts)?;
                        Ok($name {
                            base,
                            unknown_flags: flags & !$name::KNOWN_FLAGS,
                            $(
                                $field: match flags >> $bit & 1 {
                                    1 => Some($crate::wire::flagged::next(&mut parts)?),
                                    _ => None,
                                },
                            )+
                        })
                    }
                }

                deserializer.deserialize_tuple(Self::MOST_PARTS, Parts)
            }
        }
    };
}

pub(super) use flagged;

/// The next part, which is there: a payload has no count of its parts.
pub(super) fn next<'de, T: serde::Deserialize<'de>, A: serde::de::SeqAccess<'de>>(
    parts: &mut A,
) -> Result<T, A::Error> {
    let missing = || serde::de::Error::custom("a field is missing");
    parts.next_element()?.ok_or_else(missing)
}

/// Refuses a struct that is spelled otherwise than the value that it says: so that equal records have equal bytes.
pub(super) fn spelled_as<T: PartialEq>(
    field: &'static str,
    read: &T,
    written: &T,
) -> Result<(), InvalidField> {
    if read == written {
        return Ok(());
    }
    let why = "a flag has no meaning, or names a field that says nothing";
    Err(InvalidField::new(field, why))
}
