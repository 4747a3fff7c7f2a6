import MillraceCore
import MillraceSQL

/// The columns an expression may name: those of one node, with the aliases they stand behind.
struct Scope {
    struct Relation {
        var alias: String
        var columns: Range<Int>
    }
    var columns: [OutputColumn]
    var relations: [Relation] = []
    /// Right sides of USING: only reachable with their qualifier.
    var hidden: Set<Int> = []
    /// Columns of a sub-query, whose names win over those around it.
    var preferred: Range<Int>?
    /// Names of the select list, for the hint of an error.
    var aliases: Set<String> = []

    init(columns: [OutputColumn], relations: [Relation] = []) {
        self.columns = columns
        self.relations = relations
    }

    /// Side by side, as a join puts them.
    func joined(_ other: Scope) -> Scope {
        var result = Scope(columns: columns + other.columns)
        result.relations =
            relations
            + other.relations.map {
                Relation(
                    alias: $0.alias,
                    columns: $0.columns.lowerBound + columns.count..<$0.columns.upperBound + columns.count)
            }
        result.hidden = hidden.union(other.hidden.map { $0 + columns.count })
        return result
    }

    enum Resolution {
        /// A column and the path of fields behind it.
        case column(Int, fields: ArraySlice<Identifier>)
        case failed
    }

    /// Finds what a dotted name means. Errors are written to `log`.
    func resolve(_ parts: [Identifier], log: DiagnosticLog) -> Resolution {
        let range = parts[0].range.through(parts[parts.count - 1].range)
        // Qualified: an alias may itself be several parts (`default.orders.id`).
        for length in stride(from: parts.count - 1, to: 0, by: -1) {
            let qualifier = parts[..<length].map(\.text).joined(separator: ".")
            var matches = relations.filter { $0.alias == qualifier }
            if matches.count > 1, let preferred { matches.removeAll { !preferred.contains($0.columns.lowerBound) } }
            guard let relation = matches.first else { continue }
            if matches.count > 1 {
                log.error(
                    "table \"\(qualifier)\" is ambiguous", at: range, hint: "Give each use of the table its own alias.")
                return .failed
            }
            let name = parts[length]
            let found = relation.columns.filter { columns[$0].name == name.text }
            if found.count > 1 { return ambiguous(name, range) }
            if let index = found.first { return .column(index, fields: parts[(length + 1)...]) }
            if let payload = payload(name.text, among: Array(relation.columns)) {
                return .column(payload, fields: parts[length...])
            }
            if length == 1, columns.contains(where: { $0.name == qualifier }) { break }
            let names = relation.columns.map { columns[$0].name }
            if !relation.columns.contains(where: { columns[$0].isBroken && columns[$0].name.isEmpty }) {
                log.error(
                    "column \"\(name.text)\" is not in table \"\(qualifier)\"", at: name.range,
                    hint: hint(name.text, names))
            }
            return .failed
        }
        let name = parts[0]
        var found = columns.indices.filter { columns[$0].name == name.text && !hidden.contains($0) }
        if found.count > 1, let preferred, found.contains(where: preferred.contains) {
            found.removeAll { !preferred.contains($0) }
        }
        if found.count > 1 {
            let owners = relations.filter { $0.columns.contains(where: found.contains) }.map(\.alias)
            log.error(
                "column \"\(name.text)\" is ambiguous", at: name.range,
                hint: owners.count > 1
                    ? "Write \(owners.map { "\($0).\(name.text)" }.joined(separator: " or "))."
                    : "\(owners.first.map { "\"\($0)\"" } ?? "The table") has two columns of this name; rename one with AS."
            )
            return .failed
        }
        if let index = found.first { return .column(index, fields: parts[1...]) }
        if let payload = payload(name.text, among: Array(columns.indices)) {
            return .column(payload, fields: parts[0...])
        }
        // A broken relation has unknown columns: nothing more can be said about names.
        if columns.contains(where: { $0.isBroken && $0.name.isEmpty }) { return .failed }
        if parts.count > 1 {
            log.error(
                "unknown table or column \"\(name.text)\"", at: name.range, hint: qualifierHint(name.text))
        } else if relations.isEmpty, columns.isEmpty {
            log.error("column \"\(name.text)\" has no table: there is no FROM", at: name.range)
        } else if relations.count == 1 {
            log.error(
                "column \"\(name.text)\" is not in table \"\(relations[0].alias)\"", at: name.range,
                hint: hint(name.text, columns.map(\.name)))
        } else {
            log.error(
                "column \"\(name.text)\" is not in any table of the FROM clause", at: name.range,
                hint: hint(name.text, columns.map(\.name)))
        }
        return .failed

        func ambiguous(_ name: Identifier, _ range: SourceRange) -> Resolution {
            log.error("column \"\(name.text)\" is ambiguous", at: range)
            return .failed
        }
    }

    /// Dataflow's short form: `tr.amount` for `tr.payload.amount`.
    private func payload(_ name: String, among indices: [Int]) -> Int? {
        let found = indices.filter { index in
            guard columns[index].name == "payload", case .row(let fields) = columns[index].type else { return false }
            return fields.contains { $0.name == name }
        }
        return found.count == 1 ? found[0] : nil
    }
}
