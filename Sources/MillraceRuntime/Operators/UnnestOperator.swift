public import MillraceCore

/// One row for each element of a collection cell; event time and origin are the row's.
public final class UnnestOperator: Operator {
    private let plan: UnnestPlan
    private let collectionType: DataType
    private let output: JoinOutput
    private let probe = ColumnBatch(columns: [])
    private let limits: Limits
    private let ordinals = Column(.integer)
    private var matches = JoinMatches()

    public init(_ plan: UnnestPlan, input: Schema, object: String, limits: Limits) throws(Diagnostic) {
        self.plan = plan
        self.limits = limits
        collectionType = input[plan.collection].type
        let join = JoinPlan(
            kind: plan.keepsRow ? .left : .inner, probeKeys: [], buildKeys: [], residual: plan.condition)
        output = try JoinOutput(
            join, probe: Schema(plan.carried.map { input[$0] }),
            build: Schema(UnnestPlan.fields(of: collectionType, withOrdinality: plan.withOrdinality)), object: object)
        super.init(object: object)
    }

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        let collection = batch.columns[plan.collection]
        probe.columns = plan.carried.map { batch.columns[$0] }
        probe.count = batch.count
        probe.metadata = batch.metadata
        var build = elements(collection)
        if plan.withOrdinality {
            number(collection, rows: batch.count)
            build.append(ordinals)
        }
        matches.clear()
        var start = 0
        for row in 0..<batch.count {
            if collection.isValid(row) { match(collection, row) }
            // Fan-out stays bounded: rows leave in batches, cut between input rows.
            if matches.probe.count >= limits.batchRows, row + 1 < batch.count {
                try emit(
                    output.make(matches, rows: start..<row + 1, probe: probe, build: build, context: context),
                    context: context)
                matches.clear()
                start = row + 1
            }
        }
        try emit(
            output.make(matches, rows: start..<batch.count, probe: probe, build: build, context: context),
            context: context)
    }

    /// The columns of the elements, by element.
    private func elements(_ collection: Column) -> [Column] {
        switch collectionType {
        case .map: collection.children
        case .array(.row), .multiset(.row): collection.children[0].children
        default: [collection.children[0]]
        }
    }

    private func match(_ collection: Column, _ row: Int) {
        let list = collection.lists[row]
        let element = collection.children[0]
        for index in list.start..<list.start + list.count {
            // A NULL among rows is no row at all.
            if element.layout == .row, !element.isValid(Int(index)) { continue }
            var times: Int64 = 1
            if case .multiset = collectionType { times = collection.children[1].ints[Int(index)] }
            for _ in 0..<max(0, times) { matches.append(probe: Int32(row), build: index) }
        }
    }

    /// The place of each element in its collection.
    private func number(_ collection: Column, rows: Int) {
        let count = collection.children[0].count
        ordinals.clear()
        ordinals.reserve(count)
        for index in 0..<count {
            ordinals.states[index] = CellState.valid
            ordinals.ints[index] = 0
        }
        ordinals.count = count
        for row in 0..<rows where collection.isValid(row) {
            let list = collection.lists[row]
            for place in 0..<list.count { ordinals.ints[Int(list.start + place)] = Int64(place) + 1 }
        }
    }
}
