import MillraceCore

/// Makes a join's output from pairs of rows: probe columns, then build columns (not for `semi` and `anti`); metadata follows
/// the probe row.
final class JoinOutput {
    private let kind: JoinKind
    private let residual: ExpressionEvaluator?
    private let object: String
    private let probeColumns: [Column]
    private let buildColumns: [Column]
    private let output: ColumnBatch
    private let gathered: [Column]
    /// The probe side's columns as last seen, and the output's when they pass as they are.
    private var probed: [Column] = []
    private var passed: [Column] = []
    private let metadata = RowMetadata()
    /// Pairs after the residual condition and with the unmatched rows of a left join.
    private var final = JoinMatches()
    private var isMatch: [Bool] = []
    private var isRejected: [Bool] = []
    /// Probe rows of a `semi` or `anti` join.
    private let chosen = RowSelection()

    init(_ plan: JoinPlan, probe: Schema, build: Schema, object: String) throws(Diagnostic) {
        kind = plan.kind
        if let condition = plan.residual {
            residual = try ExpressionEvaluator([condition])
        } else {
            residual = nil
        }
        self.object = object
        probeColumns = probe.fields.map { Column($0.type) }
        buildColumns = build.fields.map { Column($0.type) }
        gathered = probeColumns + buildColumns
        output = ColumnBatch(columns: gathered)
    }

    /// The output of the probe rows `rows`, whose candidate pairs are `matches`. Valid until the next call.
    func make(_ matches: JoinMatches, rows: Range<Int>, probe: ColumnBatch, build: [Column], context: ShardContext)
        throws(Diagnostic) -> ColumnBatch
    {
        if residual == nil, kind == .inner {
            gather(matches, probe, build)
            return output
        }
        final.clear()
        isMatch.removeAll(keepingCapacity: true)
        isRejected.removeAll(keepingCapacity: true)
        if let residual, !matches.probe.isEmpty {
            isRejected.append(contentsOf: repeatElement(false, count: rows.count))
            isMatch.append(contentsOf: repeatElement(false, count: matches.probe.count))
            gather(matches, probe, build)
            for pair in try passing(residual, matches, rows, context) { isMatch[Int(pair)] = true }
        }
        var pair = 0
        chosen.clear()
        for row in rows {
            var found = false
            while pair < matches.probe.count, Int(matches.probe[pair]) == row {
                if isMatch.isEmpty || isMatch[pair] {
                    final.append(probe: Int32(row), build: matches.build[pair])
                    found = true
                }
                pair += 1
            }
            switch kind {
            case .semi where found: chosen.append(row)
            case .anti where !found && (isRejected.isEmpty || !isRejected[row - rows.lowerBound]): chosen.append(row)
            case .left where !found && (isRejected.isEmpty || !isRejected[row - rows.lowerBound]):
                final.append(probe: Int32(row), build: -1)
            default: break
            }
        }
        if !kind.hasRightColumns { return chosen.apply(probe) }
        gather(final, probe, build)
        return output
    }

    private func passing(
        _ residual: ExpressionEvaluator, _ matches: JoinMatches, _ rows: Range<Int>, _ context: ShardContext
    ) throws(Diagnostic) -> [Int32] {
        try residual.filter(output, context: context) { (pair, reason) throws(Diagnostic) in
            let row = Int(matches.probe[pair]) - rows.lowerBound
            if isRejected[row] { return }
            isRejected[row] = true
            try context.reject(
                origin: output.metadata.origins[pair], reason, object: object, detail: "join condition")
        }
    }

    private func gather(_ pairs: JoinMatches, _ probe: ColumnBatch, _ build: [Column]) {
        let count = pairs.probe.count
        output.count = count
        // One match for every row, the usual case: the probe side passes as it is.
        var isIdentity = count == probe.count
        if isIdentity { for i in 0..<count where Int(pairs.probe[i]) != i { isIdentity = false } }
        pairs.probe.withUnsafeBufferPointer { indices in
            guard !isIdentity, let base = indices.baseAddress else {
                if passed.isEmpty || !probed.isSameArray(as: probe.columns) {
                    probed = probe.columns
                    passed = probed + buildColumns
                }
                output.columns = passed
                output.metadata = probe.metadata
                return
            }
            for (i, column) in probeColumns.enumerated() {
                column.gather(from: probe.columns[i], indices: base, count: count)
            }
            output.columns = gathered
            metadata.gather(from: probe.metadata, indices: base, count: count)
            output.metadata = metadata
        }
        pairs.build.withUnsafeBufferPointer { indices in
            guard let base = indices.baseAddress else { return }
            for (column, source) in zip(buildColumns, build) {
                column.gather(from: source, indices: base, count: count)
            }
        }
    }
}
