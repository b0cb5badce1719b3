//! The macro behind every enumeration whose values come from the wire.

/// Declares an enum over a wire number with an `Unknown` arm, conversions both ways, and the name it is printed by.
macro_rules! wire_enum {
    ($(#[$doc:meta])* $name:ident, $number:ident, $as_text:literal, { $($(#[$item_doc:meta])* $item:ident = $value:literal => $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(from = $as_text, into = $as_text)]
        pub enum $name {
            $($(#[$item_doc])* $item,)+
            /// A value this table does not name.
            Unknown($number),
        }

        impl From<$number> for $name {
            fn from(value: $number) -> Self {
                match value {
                    $($value => Self::$item,)+
                    other => Self::Unknown(other),
                }
            }
        }

        impl From<$name> for $number {
            fn from(value: $name) -> Self {
                match value {
                    $($name::$item => $value,)+
                    $name::Unknown(other) => other,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $(Self::$item => formatter.write_str($text),)+
                    Self::Unknown(other) => write!(formatter, "{other}"),
                }
            }
        }
    };
}

pub(crate) use wire_enum;
