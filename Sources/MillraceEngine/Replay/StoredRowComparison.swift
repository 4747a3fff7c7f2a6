internal import MillraceCore
internal import MillraceRuntime

/// Stands in for a table's sink: looks each row up in the table and compares.
final class StoredRowComparison: Sink {
    private let target: ReplayTarget
    private let table: any LookupTable
    private let ranges: [Int32: Range<Int64>]
    private let tolerance: Double
    private let tell: (String) -> Void
    private let stored: ColumnBatch
    private var matches = JoinMatches()
    private(set) var report: ReplayReport.Table
    /// Stored rows that a computed one belongs to.
    private(set) var foundRows = 0

    /// - Parameters:
    ///   - ranges: of the offsets that are compared, by partition.
    ///   - tell: takes a line for each row that is not as it is stored.
    init(
        _ target: ReplayTarget, table: any LookupTable, ranges: [Int32: Range<Int64>], tolerance: Double,
        tell: @escaping (String) -> Void
    ) {
        self.target = target
        self.table = table
        self.ranges = ranges
        self.tolerance = tolerance
        self.tell = tell
        stored = ColumnBatch(target.lookup.schema)
        report = ReplayReport.Table(name: target.sink.name)
        report.ignored = target.ignored
    }

    func write(_ batch: ColumnBatch, reject: (Int, RowErrorCode, String) -> Void) throws(Diagnostic) {
        try table.lookup(
            keys: target.keys.map { batch.columns[$0] }, rows: batch.count, into: stored, matches: &matches)
        var place = 0
        for row in 0..<batch.count {
            let first = place
            while place < matches.probe.count, Int(matches.probe[place]) == row { place += 1 }
            guard isInRange(batch, row) else { continue }
            report.rows += 1
            compare(batch, row, with: matches.build[first..<place].map { Int($0) })
        }
    }

    /// Rows before the range are history.
    private func isInRange(_ batch: ColumnBatch, _ row: Int) -> Bool {
        guard let place = target.place else { return true }
        let partition = Int32(truncatingIfNeeded: batch.columns[place.partition].ints[row])
        return ranges[partition]?.contains(batch.columns[place.offset].ints[row]) ?? false
    }

    private func compare(_ batch: ColumnBatch, _ row: Int, with candidates: [Int]) {
        guard !candidates.isEmpty else {
            report.missing += 1
            tell("\(name(batch, row)): not stored")
            return
        }
        foundRows += candidates.count
        var same = candidates
        if let version = target.version {
            let theirs = stored.columns[target.keys.count]
            same = candidates.filter { isEqual(batch.columns[version], row, theirs, $0) }
            guard !same.isEmpty else {
                let other = theirs.isValid(candidates[0]) ? theirs.refs[candidates[0]].text : ""
                report.otherVersions[other, default: 0] += 1
                return
            }
        }
        let (columns, nearest) = differences(batch, row, with: same)
        guard !columns.isEmpty else {
            report.equal += 1
            return
        }
        report.different += 1
        let facts = columns.map { column in
            let field = target.sink.schema[target.compared[column]]
            let theirs = text(stored.columns[firstCompared + column].value(at: nearest))
            let mine = text(batch.columns[target.compared[column]].value(at: row))
            return "\(field.name) is \(theirs), computed \(mine)"
        }
        tell("\(name(batch, row)): " + facts.joined(separator: "; "))
    }

    /// Place of the first compared column among those of a stored row.
    private var firstCompared: Int { target.keys.count + (target.version == nil ? 0 : 1) }

    /// The columns in which the row differs from the stored one that is nearest to it.
    private func differences(_ batch: ColumnBatch, _ row: Int, with candidates: [Int]) -> (
        columns: [Int], candidate: Int
    ) {
        var best: (columns: [Int], candidate: Int)?
        for candidate in candidates {
            let columns = target.compared.indices.filter {
                !isEqual(batch.columns[target.compared[$0]], row, stored.columns[firstCompared + $0], candidate)
            }
            if columns.count < best?.columns.count ?? .max { best = (columns, candidate) }
        }
        return best ?? ([], candidates[0])
    }

    /// Which row it is: the table and its key.
    private func name(_ batch: ColumnBatch, _ row: Int) -> String {
        let keys = target.keys.map { key in
            "\(target.sink.schema[key].name)=\(text(batch.columns[key].value(at: row)))"
        }
        return "\(target.sink.name) \(keys.joined(separator: " "))"
    }

    private func isEqual(_ a: Column, _ i: Int, _ b: Column, _ j: Int) -> Bool {
        guard a.isValid(i), b.isValid(j) else { return a.states[i] == b.states[j] }
        switch a.layout {
        case .int64: return a.ints[i] == b.ints[j]
        case .bytes: return a.refs[i].equals(b.refs[j])
        case .double:
            let (x, y) = (a.doubles[i], b.doubles[j])
            if x.bitPattern == y.bitPattern || x.isNaN && y.isNaN { return true }
            return tolerance > 0 && abs(x - y) <= tolerance * max(1, abs(x), abs(y))
        case .decimal, .row, .list: return a.value(at: i) == b.value(at: j)
        }
    }

    private func text(_ value: Value) -> String {
        switch value {
        case .null: "NULL"
        case .integer(let x): String(x)
        case .double(let x): String(x)
        case .decimal(let x): String(x)
        case .string(let x): "\"\(x)\""
        case .bytes(let x): "\(x.count) bytes"
        case .row, .array, .map: "…"
        case .error(let code): code.reason
        }
    }
}
