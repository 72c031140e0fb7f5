//! From a document's schema to a plan that can be walked.
//!
//! Nodes lie in one list and name each other by position, so that a schema may contain itself.
//! A rule that the walk would not enforce is a fault here: the document promises nothing that
//! does not hold.

use std::collections::HashMap;

use serde_json::Value;
use utoipa::{
    Number,
    openapi::{
        Array, KnownFormat, Object, RefOr, Schema, SchemaFormat, Type,
        schema::{AdditionalProperties, ArrayItems, SchemaType},
    },
};

/// A compiled schema.
#[derive(Debug)]
pub(super) struct Plan {
    nodes: Vec<Node>,
    /// Where the walk begins.
    pub(super) root: usize,
}

/// What one value must be.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) nullable: bool,
}

/// The kinds of value, each with its rules. Numbers are positions in the plan.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    Any,
    Null,
    Same(usize),
    Bool,
    Int(Bounds),
    Float(Bounds),
    Text(Text),
    Literal(Vec<Value>),
    List { item: usize, min: usize, max: usize },
    Object { fields: Vec<Field>, closed: bool },
    Map(usize),
    Union(Vec<usize>),
}

/// A field of an object.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) node: usize,
    pub(super) required: bool,
}

/// Limits of a number.
#[derive(Debug, Clone, Default)]
pub(super) struct Bounds {
    pub(super) at_least: Option<f64>,
    pub(super) at_most: Option<f64>,
    pub(super) above: Option<f64>,
    pub(super) below: Option<f64>,
}

/// Limits of a text, in characters, and its form.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) min: usize,
    pub(super) max: usize,
    pub(super) form: Form,
}

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    Password,
    SingleLine,
    Email,
    Uuid,
    DateTime,
}

/// Why a schema cannot be followed. A fault of ours.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SchemaFault {
    #[error("no schema is named {0}")]
    Unknown(String),
    #[error("the walk does not enforce {0}")]
    Unenforced(&'static str),
}

type Named = HashMap<String, RefOr<Schema>>;

/// Compiles `schema`; `named` are the schemas it may refer to.
pub(super) fn compile(schema: &RefOr<Schema>, named: &Named) -> Result<Plan, SchemaFault> {
    let mut compiler = Compiler { named, nodes: Vec::new(), places: HashMap::new() };
    let root = compiler.place(schema)?;
    Ok(Plan { nodes: compiler.nodes, root })
}

impl Plan {
    /// The node at a position that [`compile`] handed out.
    pub(super) fn node(&self, at: usize) -> &Node {
        const ANY: &Node = &Node { kind: Kind::Any, nullable: true };
        self.nodes.get(at).unwrap_or(ANY)
    }
}

struct Compiler<'a> {
    named: &'a Named,
    nodes: Vec<Node>,
    places: HashMap<&'a str, usize>,
}

impl Compiler<'_> {
    /// The position of the node for `schema`.
    fn place(&mut self, schema: &RefOr<Schema>) -> Result<usize, SchemaFault> {
        let reference = match schema {
            RefOr::T(schema) => {
                let node = self.build(schema)?;
                return Ok(self.push(node));
            }
            RefOr::Ref(reference) => &reference.ref_location,
        };
        let name = reference.rsplit('/').next().unwrap_or_default();
        let Some((name, target)) = self.named.get_key_value(name) else {
            return Err(SchemaFault::Unknown(name.to_owned()));
        };
        if let Some(at) = self.places.get(name.as_str()) {
            return Ok(*at);
        }
        // The place is taken before its schema is compiled: the schema may refer to itself.
        let at = self.push(Node { kind: Kind::Any, nullable: true });
        self.places.insert(name, at);
        let node = match target {
            RefOr::T(schema) => self.build(schema)?,
            RefOr::Ref(_) => Node { kind: Kind::Same(self.place(target)?), nullable: false },
        };
        if let Some(slot) = self.nodes.get_mut(at) {
            *slot = node;
        }
        Ok(at)
    }

    fn push(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn build(&mut self, schema: &Schema) -> Result<Node, SchemaFault> {
        match schema {
            Schema::Array(array) => self.list(array),
            Schema::Object(object) => self.object(object),
            Schema::OneOf(choice) => self.union(&choice.items),
            Schema::AnyOf(choice) => self.union(&choice.items),
            Schema::AllOf(all) => self.merged(&all.items),
            _ => Ok(Node { kind: Kind::Any, nullable: true }),
        }
    }

    fn list(&mut self, array: &Array) -> Result<Node, SchemaFault> {
        if !array.prefix_items.is_empty() || array.unique_items {
            return Err(SchemaFault::Unenforced("prefixItems and uniqueItems"));
        }
        let item = match &array.items {
            ArrayItems::RefOrSchema(item) => self.place(item)?,
            ArrayItems::False => return Err(SchemaFault::Unenforced("items: false")),
        };
        let min = array.min_items.unwrap_or(0);
        let max = array.max_items.unwrap_or(usize::MAX);
        let (_, nullable) = type_of(&array.schema_type);
        Ok(Node { kind: Kind::List { item, min, max }, nullable })
    }

    fn object(&mut self, object: &Object) -> Result<Node, SchemaFault> {
        if object.multiple_of.is_some() || object.pattern.is_some() {
            return Err(SchemaFault::Unenforced("pattern and multipleOf"));
        }
        if object.max_properties.is_some() || object.min_properties.is_some() {
            return Err(SchemaFault::Unenforced("minProperties and maxProperties"));
        }
        let (kind, nullable) = type_of(&object.schema_type);
        if let Some(values) = &object.enum_values {
            return Ok(Node { kind: Kind::Literal(values.clone()), nullable });
        }
        let kind = match kind {
            None => Kind::Any,
            Some(Type::Null) => Kind::Null,
            Some(Type::Boolean) => Kind::Bool,
            Some(Type::Integer) => Kind::Int(bounds(object)),
            Some(Type::Number) => Kind::Float(bounds(object)),
            Some(Type::String) => Kind::Text(text(object)),
            Some(Type::Object) => self.fields(object)?,
            Some(Type::Array) => return Err(SchemaFault::Unenforced("an array without items")),
        };
        Ok(Node { kind, nullable })
    }

    fn fields(&mut self, object: &Object) -> Result<Kind, SchemaFault> {
        let rest = object.additional_properties.as_deref();
        if object.properties.is_empty() {
            return Ok(Kind::Map(match rest {
                Some(AdditionalProperties::RefOr(value)) => self.place(value)?,
                _ => self.push(Node { kind: Kind::Any, nullable: true }),
            }));
        }
        let closed = matches!(rest, Some(AdditionalProperties::FreeForm(false)));
        let mut fields = Vec::with_capacity(object.properties.len());
        for (name, schema) in &object.properties {
            let required = object.required.contains(name);
            fields.push(Field { name: name.clone(), node: self.place(schema)?, required });
        }
        Ok(Kind::Object { fields, closed })
    }

    /// One of several; one of several or null is that one, nullable.
    fn union(&mut self, items: &[RefOr<Schema>]) -> Result<Node, SchemaFault> {
        let (mut choices, mut nullable) = (Vec::new(), false);
        for item in items {
            let at = self.place(item)?;
            let node = self.nodes.get(at);
            nullable |= node.is_some_and(|node| node.nullable || matches!(node.kind, Kind::Null));
            if !node.is_some_and(|node| matches!(node.kind, Kind::Null)) {
                choices.push(at);
            }
        }
        let kind = match choices.as_slice() {
            [only] => Kind::Same(*only),
            _ => Kind::Union(choices),
        };
        Ok(Node { kind, nullable })
    }

    /// The fields of all together, as a flattened struct has them.
    fn merged(&mut self, items: &[RefOr<Schema>]) -> Result<Node, SchemaFault> {
        let mut places = Vec::with_capacity(items.len());
        for item in items {
            places.push(self.place(item)?);
        }
        if let [only] = places.as_slice() {
            return Ok(Node { kind: Kind::Same(*only), nullable: false });
        }
        let mut all = Vec::new();
        for at in places {
            match self.nodes.get(at).map(|node| &node.kind) {
                Some(Kind::Object { fields, closed: false }) => all.extend(fields.iter().cloned()),
                _ => return Err(SchemaFault::Unenforced("allOf over other than open objects")),
            }
        }
        Ok(Node { kind: Kind::Object { fields: all, closed: false }, nullable: false })
    }
}

/// The type besides null, if one is named, and whether null is allowed too.
fn type_of(kind: &SchemaType) -> (Option<Type>, bool) {
    match kind {
        SchemaType::Type(kind) => (Some(kind.clone()), false),
        SchemaType::Array(kinds) => {
            let other = kinds.iter().find(|kind| **kind != Type::Null);
            (Some(other.cloned().unwrap_or(Type::Null)), kinds.contains(&Type::Null))
        }
        SchemaType::AnyValue => (None, true),
    }
}

fn bounds(object: &Object) -> Bounds {
    Bounds {
        at_least: object.minimum.as_ref().map(float),
        at_most: object.maximum.as_ref().map(float),
        above: object.exclusive_minimum.as_ref().map(float),
        below: object.exclusive_maximum.as_ref().map(float),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a limit in a schema is a small number")]
fn float(number: &Number) -> f64 {
    match number {
        Number::Int(whole) => *whole as f64,
        Number::UInt(whole) => *whole as f64,
        Number::Float(float) => *float,
    }
}

fn text(object: &Object) -> Text {
    let form = match &object.format {
        Some(SchemaFormat::KnownFormat(format)) => match format {
            KnownFormat::Email => Form::Email,
            KnownFormat::Password => Form::Password,
            KnownFormat::DateTime => Form::DateTime,
            _ => Form::Plain,
        },
        Some(SchemaFormat::Custom(format)) => match format.as_str() {
            "email" => Form::Email,
            "password" => Form::Password,
            "date-time" => Form::DateTime,
            "single-line" => Form::SingleLine,
            "uuid" => Form::Uuid,
            _ => Form::Plain,
        },
        None => Form::Plain,
    };
    let max = object.max_length.unwrap_or(usize::MAX);
    Text { min: object.min_length.unwrap_or(0), max, form }
}
