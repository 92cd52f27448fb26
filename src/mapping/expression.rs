//! CEL expressions over `row`: compiled once, run with one context and an inner scope for each row.

use super::columns::HeaderIndex;
use super::text;
use crate::table::Row;
use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators};
use cel::common::traits::{Container, Indexer};
use cel::common::types::{CelString, MAP_TYPE, Type};
use cel::common::value::{CowVal, Val};
use cel::{Context, ExecutionError, Program, Value};
use std::collections::BTreeSet;

/// A compiled expression and the columns that it cannot do without.
#[derive(Debug)]
pub(super) struct Expression {
    program: Program,
    columns: Vec<String>,
}

/// What an expression gives for a row. Why it fails is not kept: CEL's own errors show operands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Computed {
    /// A string or a number, as text.
    Text(String),
    /// `null`.
    Absent,
    /// True or false.
    Bool(bool),
    /// A value of another kind.
    Other,
    /// It cannot be computed.
    Failed,
}

/// The columns that an expression reads by a written name.
pub(crate) fn columns_of(source: &str) -> Vec<String> {
    let Ok(program) = Program::compile(source) else { return Vec::new() };
    let mut uses = Uses::default();
    uses.walk(program.expression());
    uses.read.into_iter().collect()
}

/// Those of them that it reads without asking first whether they are there.
pub(super) fn needed_by(source: &str) -> Vec<String> {
    Expression::compile(source).map(|expression| expression.columns).unwrap_or_default()
}

impl Expression {
    /// Compiles an expression.
    ///
    /// # Errors
    /// Where it cannot be read, and why: text of the configuration alone.
    pub(super) fn compile(source: &str) -> Result<Self, String> {
        let program = Program::compile(source).map_err(|errors| {
            let first = errors.errors.first();
            first.map_or_else(
                || "cannot be read".to_owned(),
                |error| {
                    format!("cannot be read at line {}, column {}: {}", error.pos.0, error.pos.1, error.msg)
                },
            )
        })?;
        let mut uses = Uses::default();
        uses.walk(program.expression());
        let columns = uses.read.difference(&uses.tested).cloned().collect();
        Ok(Self { program, columns })
    }

    /// The columns that it reads by a written name without asking first whether they are there.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Runs it on one row.
    pub(super) fn run(&self, root: &Context<'static, 'static>, row: &RowScope<'_>) -> Computed {
        let mut scope = Self::scope(root);
        scope.set_variable_resolver(row);
        match self.program.execute(&scope) {
            Ok(Value::String(text)) => Computed::Text(text.as_str().to_owned()),
            Ok(Value::Int(number)) => Computed::Text(number.to_string()),
            Ok(Value::UInt(number)) => Computed::Text(number.to_string()),
            Ok(Value::Bool(answer)) => Computed::Bool(answer),
            Ok(Value::Null) => Computed::Absent,
            Ok(
                Value::Float(_)
                | Value::Bytes(_)
                | Value::Duration(_)
                | Value::Timestamp(_)
                | Value::List(_)
                | Value::Map(_)
                | Value::Function(..)
                | Value::Opaque(_)
                | Value::Struct(_),
            ) => Computed::Other,
            Err(_) => Computed::Failed,
        }
    }

    /// An inner scope whose lifetime may be as short as a row's.
    fn scope<'p, 'v>(root: &'p Context<'p, 'v>) -> Context<'p, 'v> {
        root.new_inner_scope()
    }
}

/// The columns named in an expression as `row["Name"]`, `row.Name`, `has(row.Name)` and `"Name" in row`.
#[derive(Default)]
struct Uses {
    read: BTreeSet<String>,
    tested: BTreeSet<String>,
}

impl Uses {
    fn walk(&mut self, node: &IdedExpr) {
        match &node.expr {
            Expr::Call(call) => {
                if let [first, second] = call.args.as_slice() {
                    match call.func_name.as_str() {
                        operators::INDEX if is_row(first) => self.read.extend(literal(second)),
                        operators::IN if is_row(second) => self.tested.extend(literal(first)),
                        _ => {}
                    }
                }
                call.target.iter().for_each(|target| self.walk(target));
                call.args.iter().for_each(|argument| self.walk(argument));
            }
            Expr::Select(select) => {
                if is_row(&select.operand) {
                    let uses = if select.test { &mut self.tested } else { &mut self.read };
                    uses.insert(select.field.clone());
                }
                self.walk(&select.operand);
            }
            Expr::Comprehension(each) => {
                for part in
                    [&each.iter_range, &each.accu_init, &each.loop_cond, &each.loop_step, &each.result]
                {
                    self.walk(part);
                }
            }
            Expr::List(list) => list.elements.iter().for_each(|element| self.walk(element)),
            Expr::Map(map) => map.entries.iter().for_each(|entry| self.entry(&entry.expr)),
            Expr::Struct(fields) => fields.entries.iter().for_each(|entry| self.entry(&entry.expr)),
            Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
        }
    }

    fn entry(&mut self, entry: &cel::common::ast::EntryExpr) {
        match entry {
            cel::common::ast::EntryExpr::StructField(field) => self.walk(&field.value),
            cel::common::ast::EntryExpr::MapEntry(entry) => {
                self.walk(&entry.key);
                self.walk(&entry.value);
            }
        }
    }
}

fn is_row(node: &IdedExpr) -> bool {
    matches!(&node.expr, Expr::Ident(name) if name == "row")
}

fn literal(node: &IdedExpr) -> Option<String> {
    match &node.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner().to_owned()),
        Expr::Literal(_)
        | Expr::Unspecified
        | Expr::Call(_)
        | Expr::Comprehension(_)
        | Expr::Ident(_)
        | Expr::List(_)
        | Expr::Map(_)
        | Expr::Select(_)
        | Expr::Struct(_) => None,
    }
}

/// One row as CEL sees it: a map from column name to trimmed text, looked up only when asked. A cell that
/// counts as blank is the empty string.
#[derive(Clone, Copy)]
pub(super) struct RowScope<'a> {
    pub(super) row: Row<'a>,
    pub(super) header: &'a HeaderIndex,
    pub(super) blanks: &'a [String],
}

impl<'a> RowScope<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        let (column, keeps_blanks) = self.header.find(name)?;
        let cell = text::trim(self.row.cell(column));
        let blank = !keeps_blanks && self.blanks.iter().any(|blank| blank == cell);
        Some(if blank { "" } else { cell })
    }
}

impl cel::context::VariableResolver for RowScope<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        (variable == "row").then_some(CowVal::Borrowed(self))
    }
}

impl Val for RowScope<'_> {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(*self)
    }
}

impl Container for RowScope<'_> {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        let name = value.downcast_ref::<CelString<'_>>();
        Ok(name.is_some_and(|name| self.header.find(name.inner()).is_some()))
    }
}

impl Indexer for RowScope<'_> {
    fn get<'b, 'v>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let name = key.downcast_ref::<CelString<'_>>();
        name.and_then(|name| self.text(name.inner())).map_or_else(
            || Err(ExecutionError::no_such_key("a column")),
            |text| Ok(CowVal::owned(CelString::from(text))),
        )
    }

    fn steal<'v>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let found = self.get(key)?.into_owned();
        Ok(found)
    }
}

impl std::fmt::Debug for RowScope<'_> {
    /// Cells are personal data: only the place is shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.row.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::RowAt;
    use crate::table::{Header, Table};

    fn run(source: &str) -> Computed {
        let header =
            Header { names: ["ID", "FTE", "Last Name", "Plan"].map(str::to_owned).to_vec(), line: 1 };
        let index = HeaderIndex::new(&header, &["last name".to_owned()]);
        let at = RowAt { source: 0, record: 1, line: 2 };
        let mut table = Table::default();
        table.push(at, ["7", " 0.5 ", "N/A", "N/A"].into_iter());
        let blanks = ["N/A".to_owned()];
        let scope = RowScope { row: table.rows().next().unwrap(), header: &index, blanks: &blanks };
        let root = Context::default();
        assert!(!format!("{scope:?}").contains("0.5"));
        Expression::compile(source).unwrap().run(&root, &scope)
    }

    #[test]
    fn an_expression_sees_the_row_by_column_name() {
        let text = |text: &str| Computed::Text(text.to_owned());
        let cases = [
            ("row[\"FTE\"]", text("0.5")),
            ("row[\"fte\"]", text("0.5")),
            ("row.ID + '-' + row['FTE']", text("7-0.5")),
            ("row.Plan", text("")),
            ("row['Last Name']", text("N/A")),
            ("double(row.FTE) >= 0.5", Computed::Bool(true)),
            ("row.ID.startsWith('8')", Computed::Bool(false)),
            ("has(row.Nobody)", Computed::Bool(false)),
            ("has(row.ID) && 'FTE' in row", Computed::Bool(true)),
            ("['a', row.ID].exists(x, x == '7')", Computed::Bool(true)),
            ("int(row.ID) + 1", text("8")),
            ("null", Computed::Absent),
            ("[row.ID]", Computed::Other),
            ("row.Nobody", Computed::Failed),
            ("row[1]", Computed::Failed),
            ("int(row.FTE)", Computed::Failed),
            ("other", Computed::Failed),
            ("row", Computed::Failed),
        ];
        for (source, expected) in cases {
            assert_eq!(run(source), expected, "{source}");
        }
    }

    #[test]
    fn the_columns_that_an_expression_needs_are_known_before_the_first_row() {
        let cases: [(&str, &[&str]); 5] = [
            ("row[\"FTE\"] != \"0\"", &["FTE"]),
            ("row.A + row['B C']", &["A", "B C"]),
            ("has(row.A) ? row.A : row.B", &["B"]),
            ("'A' in row && row['A'] == '1'", &[]),
            ("['x'].map(i, i + row.Z)", &["Z"]),
        ];
        for (source, expected) in cases {
            assert_eq!(Expression::compile(source).unwrap().columns(), expected, "{source}");
        }
        let error = Expression::compile("row[\"A\" == 1").unwrap_err();
        assert!(error.starts_with("cannot be read at line 1, column"), "{error}");
    }
}
