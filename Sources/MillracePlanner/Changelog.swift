import MillraceCore

/// Why a query's rows change after they were given: the clause that makes them, in the user's words.
struct UpdateCause: Hashable {
    /// Completes "… changes rows that it has given": `GROUP BY without a window`.
    var clause: String
    var range: SourceRange
    /// What to write instead.
    var hint: String
}

/// What is known of a node's changes.
extension LogicalNode {
    /// Sets of columns each of which tells the result's rows apart at any time: an update keeps them. Flink's upsert keys.
    ///
    /// A declared PRIMARY KEY is believed. The empty set means at most one row.
    var upsertKeys: [Set<Int>] {
        switch kind {
        case .scan(let scan):
            let names = scan.table.primaryKey
            let key = Set(names.compactMap { name in columns.firstIndex { $0.name == name } })
            return names.isEmpty || key.count != names.count ? [] : [key]
        case .watermark, .filter, .predict, .windowAssign: return inputs[0].upsertKeys
        case .project(let expressions):
            var places: [Int: Int] = [:]
            for (index, expression) in expressions.enumerated() {
                guard let column = expression.forwardedKey, places[column] == nil else { continue }
                places[column] = index
            }
            return inputs[0].upsertKeys.compactMap { key in
                let moved = key.compactMap { places[$0] }
                return moved.count == key.count ? Set(moved) : nil
            }
        case .staticJoin(let join), .lookupJoin(let join):
            if !join.kind.hasRightColumns { return inputs[0].upsertKeys }
            // A row that finds at most one partner stays one row.
            let isUnique = inputs[1].upsertKeys.contains { $0.isSubset(of: join.buildKeys) }
            return isUnique ? inputs[0].upsertKeys : []
        case .streamJoin(let join): return joinKeys(join)
        case .finalRows: return inputs[0].upsertKeys
        case .groupAggregate(let keys, _), .updatingAggregate(let keys, _, _): return [Set(keys.indices)]
        case .windowAggregate(let window) where window.emit != nil:
            let bounds = columns.count - 3
            let own = Set(0..<window.keys.count)
            return [own.union([bounds]), own.union([bounds + 1])]
        case .topN(let top):
            // Where ranks are told apart, the row of a rank changes; else rows come and go whole.
            let rank = inputs[0].columns.count
            let own = Set(top.keys)
            if top.last == 1, top.first == 1, top.function == .rowNumber { return [own] + inputs[0].upsertKeys }
            return (top.function == .rowNumber ? [own.union([rank])] : [])
        case .limit, .sort: return inputs[0].upsertKeys
        default: return []
        }
    }
}

extension LogicalNode {
    /// A side whose rows find at most one partner keeps its key; both keys together tell pairs apart.
    private func joinKeys(_ join: StreamJoinPlan) -> [Set<Int>] {
        let left = inputs[0].upsertKeys
        guard join.kind.hasRightColumns else { return left }
        let count = inputs[0].columns.count
        let right = inputs[1].upsertKeys
        func moved(_ key: Set<Int>) -> Set<Int> { Set(key.map { $0 + count }) }
        var keys: [Set<Int>] = []
        if !join.kind.keepsRight, right.contains(where: { $0.isSubset(of: join.rightKeys) }) { keys += left }
        if !join.kind.keepsLeft, left.contains(where: { $0.isSubset(of: join.leftKeys) }) { keys += right.map(moved) }
        for a in left { for b in right { keys.append(a.union(moved(b))) } }
        return keys
    }
}

extension Expression {
    /// The column whose values this expression keeps apart: the column itself or a cast that makes no two values equal.
    fileprivate var forwardedKey: Int? {
        switch self {
        case .column(let index, _): index
        case .cast(let operand, let type, isTry: false):
            Self.keepsApart(operand.type, type) ? operand.forwardedKey : nil
        default: nil
        }
    }

    private static func keepsApart(_ from: DataType, _ to: DataType) -> Bool {
        if from.isInteger {
            if to.isInteger { return to.exactPrecision?.precision ?? 0 >= from.exactPrecision?.precision ?? 0 }
            if case .varchar = to { return true }
            if case .decimal(let precision, let scale) = to {
                return precision - scale >= from.exactPrecision?.precision ?? 19
            }
        }
        // Text keeps its characters: lengths are not enforced.
        return from.isCharacter && to.isCharacter
    }
}

/// The changes a sink has to take.
struct ChangelogCheck {
    let log: DiagnosticLog

    /// Reports a sink that cannot take the changes of `node`; true when it can.
    func accepts(_ node: LogicalNode, table: CatalogTable, connector: ConnectorDescriptor, at target: SourceRange)
        -> Bool
    {
        guard let cause = node.updates else { return true }
        switch connector.changes {
        case .every: return true
        case .insertOnly:
            log.error(
                "\(cause.clause) changes rows that it has given; table \"\(table.name)\" (\(connector.name)) takes only new rows",
                at: cause.range, hint: cause.hint)
            return false
        case .byPrimaryKey:
            guard !table.primaryKey.isEmpty else {
                log.error(
                    "\(cause.clause) changes rows that it has given; table \"\(table.name)\" has no PRIMARY KEY to find them by",
                    at: cause.range, hint: primaryKeyHint(node, table))
                return false
            }
            let places = Set(table.primaryKey.compactMap { key in node.columns.firstIndex { $0.name == key } })
            if node.upsertKeys.contains(where: { $0.isSubset(of: places) }) { return true }
            log.error(
                "the PRIMARY KEY of table \"\(table.name)\" (\(table.primaryKey.joined(separator: ", "))) is not the key by which the query's rows change",
                at: target, hint: primaryKeyHint(node, table))
            return false
        }
    }

    private func primaryKeyHint(_ node: LogicalNode, _ table: CatalogTable) -> String {
        guard let key = node.upsertKeys.min(by: { $0.count < $1.count }) else {
            return "The query's rows have no key: forward the columns of GROUP BY or PARTITION BY unchanged."
        }
        if key.isEmpty {
            return "The query gives one row: declare PRIMARY KEY on a constant column of table \"\(table.name)\"."
        }
        let names = key.sorted().map { node.columns[$0].name }.joined(separator: ", ")
        return "Declare PRIMARY KEY (\(names)) NOT ENFORCED on table \"\(table.name)\"."
    }
}
