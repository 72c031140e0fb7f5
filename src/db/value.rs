//! What goes into a statement and what comes out of a column, the same for both engines.
//!
//! A [`Value`] is bound, with its type even where it is null, because PostgreSQL wants to know.
//! A [`Cell`] is read, borrowed from the driver's row. Times are `BIGINT` microseconds and ids are
//! `TEXT`: no driver's own types get past this file.

use std::{error::Error as StdError, fmt};

use rusqlite::types::{ToSqlOutput, ValueRef};
// The driver's own macro names `BytesMut` by this path.
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, private::BytesMut, to_sql_checked};

use crate::{clock::Timestamp, id};

/// A bound value. `None` is a null of that type.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// `TEXT`.
    Text(Option<String>),
    /// `BIGINT`.
    Int(Option<i64>),
    /// `BOOLEAN`; 0 or 1 on SQLite.
    Bool(Option<bool>),
    /// `BYTEA`.
    Bytes(Option<Vec<u8>>),
    /// `DOUBLE PRECISION`.
    Real(Option<f64>),
}

impl Value {
    /// PostgreSQL's name for the type.
    pub(super) fn kind(&self) -> Type {
        match self {
            Self::Text(_) => Type::TEXT,
            Self::Int(_) => Type::INT8,
            Self::Bool(_) => Type::BOOL,
            Self::Bytes(_) => Type::BYTEA,
            Self::Real(_) => Type::FLOAT8,
        }
    }
}

/// Tells the type only: a driver that logs what it binds must not log secrets.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(…)", self.kind())
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Self::Text(value) => value.as_ref().map(|text| ValueRef::Text(text.as_bytes())),
            Self::Int(value) => value.map(ValueRef::Integer),
            Self::Bool(value) => value.map(|truth| ValueRef::Integer(i64::from(truth))),
            Self::Bytes(value) => value.as_ref().map(|bytes| ValueRef::Blob(bytes)),
            Self::Real(value) => value.map(ValueRef::Real),
        };
        Ok(ToSqlOutput::Borrowed(value.unwrap_or(ValueRef::Null)))
    }
}

impl ToSql for Value {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Self::Text(value) => value.to_sql(kind, out),
            Self::Int(value) => value.to_sql(kind, out),
            Self::Bool(value) => value.to_sql(kind, out),
            Self::Bytes(value) => value.to_sql(kind, out),
            Self::Real(value) => value.to_sql(kind, out),
        }
    }

    // The statement is prepared with the types of these very values, so they fit.
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// One column of one row, borrowed from the driver.
#[derive(Clone, Copy)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// Text.
    Text(&'a str),
    /// A whole number; on SQLite also a truth value.
    Int(i64),
    /// A truth value, from PostgreSQL.
    Bool(bool),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A floating-point number.
    Real(f64),
}

/// Tells the type only, as for [`Value`].
impl fmt::Debug for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Text(_) => "text",
            Self::Int(_) => "a whole number",
            Self::Bool(_) => "a truth value",
            Self::Bytes(_) => "bytes",
            Self::Real(_) => "a floating-point number",
        })
    }
}

impl<'a> Cell<'a> {
    /// A cell from SQLite; `None` where text is not UTF-8.
    pub(super) fn from_sqlite(value: ValueRef<'a>) -> Option<Self> {
        Some(match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Int(number),
            ValueRef::Real(number) => Self::Real(number),
            ValueRef::Text(bytes) => Self::Text(std::str::from_utf8(bytes).ok()?),
            ValueRef::Blob(bytes) => Self::Bytes(bytes),
        })
    }
}

impl<'a> FromSql<'a> for Cell<'a> {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(match *kind {
            Type::INT8 => Self::Int(i64::from_sql(kind, raw)?),
            Type::INT4 => Self::Int(i32::from_sql(kind, raw)?.into()),
            Type::INT2 => Self::Int(i16::from_sql(kind, raw)?.into()),
            Type::BOOL => Self::Bool(bool::from_sql(kind, raw)?),
            Type::BYTEA => Self::Bytes(raw),
            Type::FLOAT8 => Self::Real(f64::from_sql(kind, raw)?),
            Type::FLOAT4 => Self::Real(f32::from_sql(kind, raw)?.into()),
            _ => Self::Text(<&str>::from_sql(kind, raw)?),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self::Null)
    }

    // `NUMERIC`, which PostgreSQL makes of `SUM`, is left out: `CAST(SUM(x) AS BIGINT)`.
    fn accepts(kind: &Type) -> bool {
        const NUMBERS: [Type; 5] = [Type::INT8, Type::INT4, Type::INT2, Type::FLOAT8, Type::FLOAT4];
        NUMBERS.contains(kind)
            || *kind == Type::BOOL
            || *kind == Type::BYTEA
            || <&str as FromSql>::accepts(kind)
    }
}

/// What can be bound.
pub trait IntoValue {
    /// The null of this type.
    const NULL: Value;
    /// The value to bind.
    fn into_value(self) -> Value;
}

/// What can be read from a column.
pub trait FromValue: Sized {
    /// The value in `cell`; `None` where it is null or of another type.
    fn from_cell(cell: Cell<'_>) -> Option<Self>;
}

impl<T: IntoValue> IntoValue for Option<T> {
    const NULL: Value = T::NULL;
    fn into_value(self) -> Value {
        self.map_or(T::NULL, T::into_value)
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        if matches!(cell, Cell::Null) { Some(None) } else { T::from_cell(cell).map(Some) }
    }
}

macro_rules! into_value {
    ($($kind:ty => $form:ident, $value:ident => $convert:expr;)*) => {$(
        impl IntoValue for $kind {
            const NULL: Value = Value::$form(None);
            fn into_value(self) -> Value {
                let $value = self;
                Value::$form(Some($convert))
            }
        }
    )*};
}

into_value! {
    &str => Text, text => text.to_owned();
    String => Text, text => text;
    &String => Text, text => text.clone();
    i64 => Int, number => number;
    i32 => Int, number => i64::from(number);
    u32 => Int, number => i64::from(number);
    bool => Bool, truth => truth;
    Vec<u8> => Bytes, bytes => bytes;
    &[u8] => Bytes, bytes => bytes.to_vec();
    f64 => Real, number => number;
    Timestamp => Int, at => at.micros();
}

impl<const N: usize> IntoValue for [u8; N] {
    const NULL: Value = Value::Bytes(None);
    fn into_value(self) -> Value {
        Value::Bytes(Some(self.to_vec()))
    }
}

impl<const N: usize> IntoValue for &[u8; N] {
    const NULL: Value = Value::Bytes(None);
    fn into_value(self) -> Value {
        Value::Bytes(Some(self.to_vec()))
    }
}

macro_rules! from_value {
    ($($kind:ty, $($cell:pat => $value:expr),+;)*) => {$(
        impl FromValue for $kind {
            fn from_cell(cell: Cell<'_>) -> Option<Self> {
                match cell {
                    $($cell => $value,)+
                    _ => None,
                }
            }
        }
    )*};
}

from_value! {
    String, Cell::Text(text) => Some(text.to_owned());
    i64, Cell::Int(number) => Some(number);
    i32, Cell::Int(number) => i32::try_from(number).ok();
    u32, Cell::Int(number) => u32::try_from(number).ok();
    bool, Cell::Bool(truth) => Some(truth), Cell::Int(number) => Some(number != 0);
    Vec<u8>, Cell::Bytes(bytes) => Some(bytes.to_vec());
    f64, Cell::Real(number) => Some(number);
    Timestamp, Cell::Int(micros) => Some(Timestamp::from_micros(micros));
}

impl<const N: usize> FromValue for [u8; N] {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Bytes(bytes) => bytes.try_into().ok(),
            _ => None,
        }
    }
}

macro_rules! ids {
    ($($name:ident,)*) => {$(
        impl IntoValue for id::$name {
            const NULL: Value = Value::Text(None);
            fn into_value(self) -> Value {
                Value::Text(Some(self.to_string()))
            }
        }

        impl FromValue for id::$name {
            fn from_cell(cell: Cell<'_>) -> Option<Self> {
                match cell {
                    Cell::Text(text) => text.parse().ok(),
                    _ => None,
                }
            }
        }
    )*};
}

// One line a type of `id`: a blanket implementation for `Id` would clash with those above.
ids! {
    PartnerId, TenantId, UserId, SessionId, RegistrationId, TicketId, ChallengeId, DeviceId,
    PasskeyId, CeremonyId, TrustedDeviceId, EmailChangeId, DisavowalId, GrantId, ApplicationId,
    RegistrationTokenId, MailId, AuditId, SignInId, EventId, RequestId, Realm,
}
