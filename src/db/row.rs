//! One row of an answer, and how it becomes a value of ours.
//!
//! A row is borrowed from the driver while it is being read; nothing of it outlives `from_row`.

use std::fmt;

use super::value::{Cell, FromValue};
use crate::error::{Error, Result};

/// One row, borrowed from the driver.
pub struct Row<'a> {
    source: Source<'a>,
    /// The place behind the column that was read last. Columns are mostly read in the order in
    /// which the statement names them, and looking for one by its name means comparing all before.
    next: std::cell::Cell<usize>,
}

pub(super) enum Source<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Postgres(&'a tokio_postgres::Row),
}

impl fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Row(…)")
    }
}

impl<'a> Row<'a> {
    pub(super) fn new(source: Source<'a>) -> Self {
        Self { source, next: std::cell::Cell::new(0) }
    }
}

impl Row<'_> {
    /// The value of `column`.
    ///
    /// # Errors
    /// A fault of ours where there is no such column, or its value is of another type or null and
    /// `T` is no `Option`. The value itself is not told.
    #[track_caller]
    pub fn get<T: FromValue>(&self, column: &str) -> Result<T> {
        let cell = match &self.source {
            Source::Sqlite(row) => {
                let place = self.place(row.as_ref(), column);
                place.and_then(|it| row.get_ref(it).ok()).and_then(Cell::from_sqlite)
            }
            Source::Postgres(row) => row.try_get(column).ok(),
        };
        Self::read(cell, column)
    }

    /// Where a column is: behind the last one, or wherever else.
    fn place(&self, statement: &rusqlite::Statement<'_>, column: &str) -> Option<usize> {
        let next = self.next.get();
        let place = if statement.column_name(next).is_ok_and(|name| name == column) {
            next
        } else {
            statement.column_index(column).ok()?
        };
        self.next.set(place + 1);
        Some(place)
    }

    /// The value of the column at `place`, from 0.
    #[track_caller]
    fn at<T: FromValue>(&self, place: usize) -> Result<T> {
        let cell = match &self.source {
            Source::Sqlite(row) => row.get_ref(place).ok().and_then(Cell::from_sqlite),
            Source::Postgres(row) => row.try_get(place).ok(),
        };
        Self::read(cell, &place.to_string())
    }

    #[track_caller]
    fn read<T: FromValue>(cell: Option<Cell<'_>>, column: &str) -> Result<T> {
        let Some(cell) = cell else {
            let reason = format!("no column `{column}`, or one of a type that is not portable");
            return Err(Error::internal("reading a row", reason));
        };
        T::from_cell(cell).ok_or_else(|| {
            let wanted = std::any::type_name::<T>();
            let reason = format!("column `{column}` holds {cell:?}, not {wanted}");
            Error::internal("reading a row", reason)
        })
    }
}

/// What a row can become.
pub trait FromRow: Sized + Send {
    /// Reads the columns it needs.
    ///
    /// # Errors
    /// As [`Row::get`].
    fn from_row(row: &Row<'_>) -> Result<Self>;
}

/// For a statement whose rows matter only by being there.
impl FromRow for () {
    fn from_row(_: &Row<'_>) -> Result<Self> {
        Ok(())
    }
}

macro_rules! single_columns {
    ($($kind:ty,)*) => {$(
        /// The first column.
        impl FromRow for $kind {
            fn from_row(row: &Row<'_>) -> Result<Self> {
                row.at(0)
            }
        }
    )*};
}

single_columns! {
    i64, String, bool, Vec<u8>, f64, crate::clock::Timestamp, crate::id::PartnerId,
    crate::id::TenantId, crate::id::UserId,
}

macro_rules! tuples {
    ($($name:ident $place:tt),+) => {
        /// The first columns, in their order.
        impl<$($name: FromValue + Send),+> FromRow for ($($name,)+) {
            fn from_row(row: &Row<'_>) -> Result<Self> {
                Ok(($(row.at::<$name>($place)?,)+))
            }
        }
    };
}

tuples! { A 0 }
tuples! { A 0, B 1 }
tuples! { A 0, B 1, C 2 }
tuples! { A 0, B 1, C 2, D 3 }
tuples! { A 0, B 1, C 2, D 3, E 4 }
tuples! { A 0, B 1, C 2, D 3, E 4, G 5 }
