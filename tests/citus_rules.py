"""What Citus refuses, or does wrongly, as rules over the parse tree of one statement; docs/scaling.md has the reasons.

A statement is planned in one of two ways. Where every distributed table has `tenant_id = :tenant_id` it goes as
it is to the node that has the tenant, and nearly all of SQL works. Otherwise it is about several tenants: then tables
must be joined by tenant_id, and a subquery that depends on another row needs a distributed table in front of it.
CTEs that change something are run first, one by one, and what follows sees their rows but not whose they are.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pglast import ast as typed
from pglast import parse_sql
from pglast.enums import A_Expr_Kind, BoolExprType, CTEMaterialize, JoinType, SubLinkType

from tests.citus_functions import STABLE, VOLATILE

# By what a node is its fields are there: to mypy each of them might be missing.
ast: Any = typed


@dataclass(frozen=True, slots=True)
class Kinds:
    """How tables are spread: those distributed by tenant_id, and those of which every node has a copy."""

    distributed: frozenset[str]
    reference: frozenset[str]


@dataclass(slots=True)
class _Scope:
    """One query level: what its FROM has, by alias."""

    parent: "_Scope | None"
    # alias -> node of the tenant_id of that item (None = it has none that is known)
    items: dict[str, int | None] = field(default_factory=dict)
    distributed: list[int] = field(default_factory=list)
    ctes: dict[str, "int | None"] = field(default_factory=dict)
    many_ctes: set[str] = field(default_factory=set)


def broken_rules(sql: str, kinds: Kinds) -> list[str]:
    """The rules that a statement breaks, each with where; empty = Citus takes it, as far as is known."""
    found: list[str] = []
    for raw in parse_sql(sql):
        reading = _Reading(kinds)
        reading.statement(raw.stmt, None)
        found += [
            *_of_changes(raw.stmt),
            *_of_inserts(raw.stmt, kinds),
            *_of_values(raw.stmt),
            *_of_settings(raw.stmt, kinds),
            *reading.found(),
        ]
    return sorted(set(found))


def _children(node: Any) -> Iterator[Any]:
    if isinstance(node, tuple | list):
        yield from node
    elif isinstance(node, ast.Node):
        for name in node:
            value = getattr(node, name)
            if isinstance(value, ast.Node | tuple | list):
                yield value


def walk(node: Any) -> Iterator[Any]:
    """A node and all below it."""
    if isinstance(node, ast.Node):
        yield node
    for child in _children(node):
        yield from walk(child)


def function_name(call: Any) -> str:
    """Without its schema."""
    return str(call.funcname[-1].sval)


def tables_of(node: Any) -> set[str]:
    return {one.relname for one in walk(node) if isinstance(one, ast.RangeVar)}


# --- functions in what changes rows ---


def _is_interval(node: Any) -> bool:
    if isinstance(node, ast.TypeCast):
        return bool(node.typeName.names[-1].sval == "interval")
    return isinstance(node, ast.FuncCall) and function_name(node) == "make_interval"


def _is_zoned(node: Any) -> bool:
    """A time `at time zone`: without a zone, to which an interval can be added whatever the session's zone is."""
    return isinstance(node, ast.FuncCall) and function_name(node) == "timezone"


def _mutable(node: Any, names: frozenset[str]) -> Iterator[Any]:
    """Calls below a node of these functions, and, with the stable ones, times that an interval is added to."""
    for one in walk(node):
        if isinstance(one, ast.FuncCall) and function_name(one) in names:
            arguments: Any = one.args or ()
            if function_name(one) == "extract" and isinstance(arguments[-1], ast.A_Expr):
                continue  # of a difference of times: an interval
            yield one
        elif isinstance(one, ast.SQLValueFunction) and names is not VOLATILE:
            yield one
        elif isinstance(one, ast.A_Expr) and names is not VOLATILE and one.name[-1].sval in ("+", "-"):
            sides = (one.lexpr, one.rexpr)
            if _is_interval(one.lexpr) != _is_interval(one.rexpr) and not any(map(_is_zoned, sides)):
                yield one


def _said(node: Any) -> str:
    return function_name(node) if isinstance(node, ast.FuncCall) else "a time and an interval"


def _has_column(node: Any) -> bool:
    return any(isinstance(one, ast.ColumnRef) for one in walk(node))


def _of_changes(statement: Any) -> Iterator[str]:
    for one in walk(statement):
        if isinstance(one, ast.InsertStmt | ast.UpdateStmt | ast.DeleteStmt):
            table, returned = one.relation.relname, _returned(one)
            for call in _mutable(returned, VOLATILE | STABLE):
                yield f"returning: {_said(call)} in RETURNING of {table}"
        if isinstance(one, ast.UpdateStmt | ast.DeleteStmt):
            what = [target.val for target in getattr(one, "targetList", None) or ()] + [one.whereClause]
            yield from _of_expressions(what, table)
        if isinstance(one, ast.InsertStmt) and one.onConflictClause is not None:
            conflict = one.onConflictClause
            for part in [*(target.val for target in conflict.targetList or ()), conflict.whereClause]:
                for call in _mutable(part, VOLATILE | STABLE):
                    yield f"on conflict: {_said(call)} in ON CONFLICT of {table}"
        values = getattr(one.selectStmt, "valuesLists", None) if isinstance(one, ast.InsertStmt) else None
        if any(isinstance(below, ast.SubLink) for below in walk(values)):
            yield f"values: a subquery among the VALUES of {table}"


def _of_inserts(statement: Any, kinds: Kinds) -> Iterator[str]:
    for one in walk(statement):
        if not isinstance(one, ast.InsertStmt) or one.relation.relname not in kinds.distributed:
            continue
        if "tenant_id" not in {target.name for target in one.cols or ()}:
            yield f"insert: tenant_id is not among the columns of {one.relation.relname}"


def _returned(change: Any) -> Any:
    """What RETURNING has; the node has another name since PostgreSQL 18."""
    clause = getattr(change, "returningClause", None)
    return clause.exprs if clause is not None else getattr(change, "returningList", None)


def _of_expressions(expressions: list[Any], table: str) -> Iterator[str]:
    """Of SET and WHERE of an UPDATE or DELETE."""
    for call in _mutable(expressions, VOLATILE):
        yield f"volatile: {_said(call)} in SET or WHERE of {table}"
    for one in walk(expressions):
        if isinstance(one, ast.CoalesceExpr | ast.CaseExpr):
            for call in _mutable(list(_children(one)), STABLE):
                yield f"case: {_said(call)} in CASE or COALESCE in SET or WHERE of {table}"
    for call in _mutable(expressions, STABLE):
        if _has_column(list(_children(call))):
            yield f"stable: {_said(call)} of a column in SET or WHERE of {table}"


# --- values that do not travel, settings that stay behind ---


def _of_values(statement: Any) -> Iterator[str]:
    for one in walk(statement):
        if isinstance(one, ast.SelectStmt) and one.larg is not None:
            for side in (one.larg, one.rarg):
                columns = [target for target in side.targetList or () if isinstance(target.val, ast.ColumnRef)]
                if columns and not side.fromClause:
                    yield "union: a part of a UNION that is only a column of an outer row"
        if isinstance(one, ast.SelectStmt):
            for target in one.targetList or ():
                if isinstance(target.val, ast.RowExpr):
                    yield "record: a row of anonymous type among the results"


def _of_settings(statement: Any, kinds: Kinds) -> Iterator[str]:
    calls = {function_name(one) for one in walk(statement) if isinstance(one, ast.FuncCall)}
    spread = tables_of(statement) & kinds.distributed
    if "set_config" in calls and not spread:
        yield "settings: set_config in a SELECT without a distributed table reaches no worker; use SET LOCAL"
    if "nextval" in calls and spread:
        # On a worker it takes numbers of that worker's own, or finds no sequence.
        yield f"numbers: nextval beside {', '.join(sorted(spread))}"
    inserts = any(
        isinstance(cte.ctequery, ast.InsertStmt) for cte in walk(statement) if isinstance(cte, ast.CommonTableExpr)
    )
    if "pg_notify" in calls and spread and not inserts:
        # With an INSERT among its CTEs it is run part by part, and the last one where it was asked; else on the worker.
        yield f"hint: pg_notify beside {', '.join(sorted(spread))} is sent where nobody listens"
    catalogs = {name for name in tables_of(statement) if name.startswith("pg_")}
    if catalogs and spread:
        yield f"catalog: {', '.join(sorted(catalogs))} beside {', '.join(sorted(spread))}"


# --- whose rows ---


class _Reading:
    """Follows tenant_id through a statement: which are equal to each other, and which to what the caller names."""

    def __init__(self, kinds: Kinds) -> None:
        self.kinds = kinds
        self.parents: list[int] = []
        self.names: dict[int, str] = {}
        # What tenant_id is equal to: the caller's tenant, several of the caller's, or the service as a whole.
        self.one, self.some, self.service = self._node(), self._node(), self._node()
        self.scopes: list[_Scope] = []
        self.checks: list[tuple[str, _Scope, _Scope | None]] = []
        self.local: set[str] = set()
        self.outer: list[int] = []

    def _node(self) -> int:
        self.parents.append(len(self.parents))
        return len(self.parents) - 1

    def _root(self, node: int) -> int:
        while self.parents[node] != node:
            node = self.parents[node]
        return node

    def _join(self, a: int | None, b: int | None) -> None:
        if a is None or b is None:
            return
        low, high = sorted((self._root(a), self._root(b)))
        if low != high and high > self.service:  # those three are never the same
            self.parents[high] = low

    def found(self) -> Iterator[str]:
        spread = sorted(self.names)
        if spread and self.local:
            yield f"local: {', '.join(sorted(self.local))} beside {', '.join(sorted(set(self.names.values())))}"
        roots = {self._root(node) for node in spread}
        if roots <= {self.one} or roots <= {self.service}:
            return
        loose = [node for node in spread if self._root(node) != self.one]
        if len(roots) > 1:
            names = sorted({self.names[node] for node in loose})
            yield f"tenants: {', '.join(names)} not joined to the rest by tenant_id, and :tenant_id does not name whose"
        if any(node in loose for node in self.outer):
            yield "outer: LEFT JOIN from what every node has to a distributed table"
        for rule, inner, outer in self.checks:
            if any(node in loose for node in inner.distributed) and (outer is None or not _in_front(outer)):
                yield rule

    # -- statements --

    def statement(self, node: Any, parent: _Scope | None, *, lateral: _Scope | None = None) -> int | None:
        """Reads one query; the node of the tenant_id that it gives out, where it does."""
        scope = _Scope(parent)
        self.scopes.append(scope)
        if isinstance(node, ast.SelectStmt):
            return self._select(node, scope)
        if isinstance(node, ast.InsertStmt | ast.UpdateStmt | ast.DeleteStmt):
            self._change(node, scope)
        return None

    def _with(self, clause: Any, scope: _Scope) -> None:
        for cte in (clause.ctes or ()) if clause is not None else ():
            if clause.recursive:
                scope.ctes[cte.ctename] = None
            inner = self.statement(cte.ctequery, scope)
            kept = cte.ctematerialized == CTEMaterialize.CTEMaterializeAlways or clause.recursive
            scope.ctes[cte.ctename] = None if kept or not isinstance(cte.ctequery, ast.SelectStmt) else inner

    def _select(self, node: Any, scope: _Scope) -> int | None:
        self._with(node.withClause, scope)
        if node.larg is not None:
            sides = [self.statement(node.larg, scope), self.statement(node.rarg, scope)]
            if None in sides:
                return None
            self._join(*sides)
            return sides[0]
        for item in node.fromClause or ():
            self._item(item, scope)
        self._condition(node.whereClause, scope)
        self._below([node.targetList, node.groupClause, node.havingClause, node.sortClause, node.limitCount], scope)
        if node.lockingClause:
            self.checks.append(("lock: FOR UPDATE over tenants", scope, None))
        return self._given(node, scope)

    def _change(self, node: Any, scope: _Scope) -> None:
        self._with(node.withClause, scope)
        if isinstance(node, ast.InsertStmt):
            if node.selectStmt is not None:
                self.statement(node.selectStmt, scope)
            return
        self._table(node.relation, scope)
        for item in (node.fromClause if isinstance(node, ast.UpdateStmt) else node.usingClause) or ():
            self._item(item, scope)
        self._condition(node.whereClause, scope)
        self._below([getattr(node, "targetList", None), _returned(node)], scope)

    def _given(self, node: Any, scope: _Scope) -> int | None:
        for target in node.targetList or ():
            if isinstance(target.val, ast.ColumnRef):
                parts = [part.sval if isinstance(part, ast.String) else "*" for part in target.val.fields]
                if parts[-1] in ("tenant_id", "*") and target.name in (None, "tenant_id"):
                    found = self._column(parts, scope)
                    if found is not None:
                        return found
        return None

    # -- what FROM has --

    def _item(self, item: Any, scope: _Scope) -> None:
        if isinstance(item, ast.RangeVar):
            self._table(item, scope)
        elif isinstance(item, ast.JoinExpr):
            self._item(item.larg, scope)
            in_front = len(scope.distributed)
            self._item(item.rarg, scope)
            if item.jointype == JoinType.JOIN_LEFT and not in_front:
                self.outer += scope.distributed
            if item.usingClause and any(one.sval == "tenant_id" for one in item.usingClause):
                nodes = [node for node in scope.items.values() if node is not None]
                for node in nodes[1:]:
                    self._join(nodes[0], node)
            self._condition(item.quals, scope)
        elif isinstance(item, ast.RangeSubselect):
            before = len(self.scopes)
            given = self.statement(
                item.subquery, scope if item.lateral else scope.parent or _Scope(None, ctes=scope.ctes)
            )
            if item.lateral:
                for inner in self.scopes[before:]:
                    self.checks.append(("lateral: LATERAL without a distributed table in front", inner, scope))
            scope.items[item.alias.aliasname] = given
            if not item.lateral:
                scope.distributed += [node for inner in self.scopes[before:] for node in inner.distributed]
        elif isinstance(item, ast.RangeFunction):
            self._below(item.functions, scope)
            scope.items[item.alias.aliasname if item.alias is not None else f"function {len(scope.items)}"] = None

    def _table(self, table: Any, scope: _Scope) -> None:
        name = table.relname
        alias = table.alias.aliasname if table.alias is not None else name
        cte, is_cte = self._cte(name, scope)
        if is_cte:
            scope.items[alias] = cte
            return
        node = self._node()
        scope.items[alias] = node
        if name in self.kinds.distributed:
            self.names[node] = name
            scope.distributed.append(node)
        elif name not in self.kinds.reference and not name.startswith("pg_") and table.schemaname is None:
            self.local.add(name)

    @staticmethod
    def _cte(name: str, scope: _Scope | None) -> tuple[int | None, bool]:
        while scope is not None:
            if name in scope.ctes:
                return scope.ctes[name], True
            scope = scope.parent
        return None, False

    # -- conditions --

    def _condition(self, node: Any, scope: _Scope) -> None:
        if isinstance(node, ast.BoolExpr) and node.boolop == BoolExprType.AND_EXPR:
            for part in node.args:
                self._condition(part, scope)
            return
        if isinstance(node, ast.A_Expr) and node.name[-1].sval == "=":
            left, right = self._side(node.lexpr, scope), self._side(node.rexpr, scope)
            if node.kind == A_Expr_Kind.AEXPR_OP_ANY and right == self.one:
                right = self.some
            if left is not None and right is not None:
                self._join(left, right)
        self._below(node, scope)

    def _side(self, node: Any, scope: _Scope) -> int | None:
        while isinstance(node, ast.TypeCast):
            node = node.arg
        if isinstance(node, ast.ParamRef | ast.A_Const):
            return self.one if isinstance(node, ast.ParamRef) else self.service
        if (
            isinstance(node, ast.ColumnRef)
            and isinstance(node.fields[-1], ast.String)
            and node.fields[-1].sval == "tenant_id"
        ):
            return self._column([part.sval for part in node.fields], scope)
        return None

    def _column(self, parts: list[str], scope: _Scope | None) -> int | None:
        while scope is not None:
            if len(parts) > 1:
                if parts[0] in scope.items:
                    return scope.items[parts[0]]
            else:
                nodes = [node for node in scope.items.values() if node is not None]
                if nodes:
                    return nodes[0]
            scope = scope.parent
        return None

    def _below(self, node: Any, scope: _Scope) -> None:
        """Subqueries in an expression."""
        if isinstance(node, ast.SubLink):
            before = len(self.scopes)
            self.statement(node.subselect, scope)
            if _is_correlated(node.subselect, scope):
                for inner in self.scopes[before:]:
                    rule = "correlated: a subquery that depends on a row, without a distributed table in front"
                    self.checks.append((rule, inner, scope))
            if node.subLinkType in (SubLinkType.ANY_SUBLINK, SubLinkType.ALL_SUBLINK):
                self._below(node.testexpr, scope)
            return
        for child in _children(node):
            self._below(child, scope)


def _in_front(scope: _Scope) -> bool:
    return bool(scope.distributed)


def _is_correlated(query: Any, scope: _Scope) -> bool:
    own = {one.alias.aliasname if one.alias else one.relname for one in walk(query) if isinstance(one, ast.RangeVar)}
    refs = (one for one in walk(query) if isinstance(one, ast.ColumnRef) and len(one.fields) > 1)
    return any(one.fields[0].sval in scope.items and one.fields[0].sval not in own for one in refs)


def function_names(sql: str) -> set[str]:
    """The functions that a statement calls."""
    return {function_name(one) for raw in parse_sql(sql) for one in walk(raw.stmt) if isinstance(one, ast.FuncCall)}
