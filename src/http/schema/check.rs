//! The walk of a value along a plan: notes every fault, puts lax values right in place.
//!
//! Kinds and sentences are pydantic's. No fault holds any part of a value. The walk is bounded
//! whatever the plan and the value are: in depth, in steps and in the faults it notes.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    Part,
    compile::{Field, Kind, Plan},
};
use crate::error::{Fault, Loc};

mod scalar;

use scalar::NUL;

/// Plan nodes on top of each other; a body of 32 levels needs fewer.
const MAX_LEVELS: usize = 128;
/// Values looked at. A body of 64 KiB holds fewer; a union of unions may ask for many more.
const MAX_STEPS: usize = 200_000;
/// Faults noted. A list of ten thousand bad items is answered in kind, not in full.
const MAX_FAULTS: usize = 128;

/// Every fault of `value`, in the order of declaration.
pub(super) fn faults(plan: &Plan, part: Part, value: &mut Value) -> Vec<Fault> {
    let mut walk = Walk { plan, part, place: Vec::new(), faults: Vec::new(), levels: 0, steps: 0 };
    walk.visit(plan.root, value);
    walk.faults
}

/// A fault's kind and sentence.
type Refused = (&'static str, Cow<'static, str>);

/// One step of the place the walk is at. Borrowed, so that good values cost no allocation.
#[derive(Clone)]
enum Step<'a> {
    Name(&'a str),
    Key(String),
    Index(usize),
}

struct Walk<'a> {
    plan: &'a Plan,
    part: Part,
    place: Vec<Step<'a>>,
    faults: Vec<Fault>,
    levels: usize,
    steps: usize,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, at: usize, value: &mut Value) {
        self.steps += 1;
        if self.levels >= MAX_LEVELS || self.steps > MAX_STEPS {
            return self.note("value_error", "Value error, the value is too complex");
        }
        self.levels += 1;
        self.visit_node(at, value);
        self.levels -= 1;
    }

    fn visit_node(&mut self, at: usize, value: &mut Value) {
        let plan: &'a Plan = self.plan;
        let node = plan.node(at);
        if value.is_null() && node.nullable {
            return;
        }
        let checked = match &node.kind {
            Kind::Same(other) => return self.visit(*other, value),
            Kind::List { item, min, max } => return self.list(*item, *min..=*max, value),
            Kind::Object { fields, closed } => return self.object(fields, *closed, value),
            Kind::Map(item) => return self.map(*item, value),
            Kind::Union(choices) => return self.union(choices, value),
            Kind::Any => scalar::any(value),
            Kind::Null if value.is_null() => Ok(()),
            Kind::Null => Err(("none_required", "Input should be None".into())),
            Kind::Bool => scalar::bool(value),
            Kind::Int(limits) => scalar::int(value, limits),
            Kind::Float(limits) => scalar::float(value, limits),
            Kind::Text(rules) => scalar::text(value, rules),
            Kind::Literal(values) => scalar::literal(value, values),
        };
        if let Err((kind, message)) = checked {
            self.note(kind, message);
        }
    }

    fn list(&mut self, item: usize, length: std::ops::RangeInclusive<usize>, value: &mut Value) {
        let Value::Array(items) = value else {
            return self.note("list_type", "Input should be a valid list");
        };
        let (found, min, max) = (items.len(), *length.start(), *length.end());
        let s = |count| if count == 1 { "" } else { "s" };
        if found > max {
            let rule = format!("List should have at most {max} item{}", s(max));
            return self.note("too_long", format!("{rule} after validation, not {found}"));
        }
        for (index, value) in items.iter_mut().enumerate() {
            self.within(Step::Index(index), |walk| walk.visit(item, value));
        }
        if found < min {
            let rule = format!("List should have at least {min} item{}", s(min));
            self.note("too_short", format!("{rule} after validation, not {found}"));
        }
    }

    fn object(&mut self, fields: &'a [Field], closed: bool, value: &mut Value) {
        let Value::Object(found) = value else {
            return self.note(
                "model_attributes_type",
                "Input should be a valid dictionary or object to extract fields from",
            );
        };
        for field in fields {
            self.within(Step::Name(&field.name), |walk| match found.get_mut(&field.name) {
                Some(value) => walk.visit(field.node, value),
                None if field.required => walk.note("missing", "Field required"),
                None => {}
            });
        }
        if closed {
            self.forbid_extra(fields, found);
        }
    }

    fn forbid_extra(&mut self, fields: &[Field], found: &Map<String, Value>) {
        for name in found.keys().filter(|name| fields.iter().all(|field| field.name != **name)) {
            self.within(Step::Key(name.clone()), |walk| {
                walk.note("extra_forbidden", "Extra inputs are not permitted");
            });
        }
    }

    fn map(&mut self, item: usize, value: &mut Value) {
        let Value::Object(found) = value else {
            return self.note("dict_type", "Input should be a valid dictionary");
        };
        if found.keys().any(|key| key.contains('\0')) {
            return self.note("value_error", NUL);
        }
        if matches!(self.plan.node(item).kind, Kind::Any) {
            // Free data is one value to the client: its keys are no places of ours.
            if let Err((kind, message)) = found.values().try_for_each(scalar::any) {
                self.note(kind, message);
            }
            return;
        }
        for (key, value) in found.iter_mut() {
            self.within(Step::Key(key.clone()), |walk| walk.visit(item, value));
        }
    }

    /// The first choice that takes the value; else the faults of the choice it came nearest to.
    fn union(&mut self, choices: &[usize], value: &mut Value) {
        let before = self.faults.len();
        let mut nearest: Option<Vec<Fault>> = None;
        for choice in choices {
            // A choice that fails may have put some values right: it gets a copy.
            let mut copy = value.clone();
            self.visit(*choice, &mut copy);
            let found = self.faults.split_off(before.min(self.faults.len()));
            if found.is_empty() && before < MAX_FAULTS {
                *value = copy;
                return;
            }
            if nearest.as_ref().is_none_or(|best| found.len() < best.len()) {
                nearest = Some(found);
            }
        }
        self.faults.extend(nearest.unwrap_or_default());
    }

    fn within(&mut self, step: Step<'a>, visit: impl FnOnce(&mut Self)) {
        self.place.push(step);
        visit(self);
        self.place.pop();
    }

    fn note(&mut self, kind: &'static str, message: impl Into<Cow<'static, str>>) {
        if self.faults.len() >= MAX_FAULTS {
            return;
        }
        let mut fault = self.part.fault(kind, message.into());
        fault.loc.extend(self.place.iter().map(|step| match step {
            Step::Name(name) => Loc::Name((*name).to_owned()),
            Step::Key(key) => Loc::Name(key.clone()),
            Step::Index(index) => Loc::Index(i64::try_from(*index).unwrap_or(i64::MAX)),
        }));
        self.faults.push(fault);
    }
}
