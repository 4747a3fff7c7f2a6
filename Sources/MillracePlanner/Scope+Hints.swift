import MillraceCore
import MillraceSQL

/// What a user may have meant by a name that no column has.
extension Scope {
    func hint(_ name: String, _ candidates: [String]) -> String? {
        if aliases.contains(name), !candidates.contains(name) {
            return "The select list makes \"\(name)\"; repeat its expression here, or filter in an outer query."
        }
        if ["window_start", "window_end", "window_time"].contains(name.lowercased()),
            !candidates.contains("window_start")
        {
            return "A window table function adds it: FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND))."
        }
        if let hint = NearestName.hint(name, in: candidates) { return hint }
        guard !candidates.isEmpty, candidates.count <= 12 else { return nil }
        return "The columns are \(candidates.map { "\"\($0)\"" }.joined(separator: ", "))."
    }

    /// Of a name with parts behind it, whose first part is neither a table nor a column.
    func qualifierHint(_ name: String) -> String? {
        let tables = relations.map(\.alias)
        if let hint = NearestName.hint(name, in: tables + columns.map(\.name)) { return hint }
        guard !tables.isEmpty, tables.count <= 12 else { return nil }
        let list = tables.map { "\"\($0)\"" }.joined(separator: ", ")
        return tables.count == 1
            ? "The table of the FROM clause is \(list)." : "The tables of the FROM clause are \(list)."
    }
}

extension SelectSyntax {
    /// Names that AS gives in the select list: not yet there for WHERE, GROUP BY and HAVING.
    var aliases: Set<String> {
        Set(items.compactMap { if case .expression(_, let alias?) = $0 { alias.text } else { nil } })
    }
}
