public import MillraceCore

/// Top-N over rows that come in any order: gives the rows between two ranks of each partition, and changes when others take their
/// places. As Flink's Rank without mini-batches.
///
/// A partition's rows are kept sorted: only those that may still be asked for over input that only adds rows, all of them over
/// input that takes rows back. A change costs O(log n) to find its place and as many steps as ranks that are given. A retraction
/// takes the first row that equals it in all columns; without one it is left alone.
///
/// With a time to live a partition whose kept rows have not changed for so long is forgotten, without a change.
public final class TopNOperator: Operator {
    final class Partition {
        let key: Int32
        /// In order, first ranks first.
        var slots: [Int32] = []
        init(key: Int32) { self.key = key }
    }

    private let plan: TopNPlan
    private let limit: Int
    let limits: Limits
    let store = StateStore()
    let keys: KeyTable
    let rows: RowStore
    private let order: RowOrder
    private let checked: [Int]
    /// By key number; nil: no rows.
    var partitions: [Partition?] = []
    let input: Schema
    var ttl: StateTTL?
    /// What has changed, for stored state; nil: not asked for.
    var changes: Changes?
    private let output: ChangeOutput
    /// Rows whose cells wait in the output, to be freed behind it.
    private var leaving: [Int32] = []
    private var ended: [Int32] = []
    private var before = Ranked()
    private var after = Ranked()
    private var watermark = EventTime.none

    /// The rows that are given of a partition.
    private struct Ranked {
        var slots: [Int32] = []
        var ranks: [Int64] = []
        /// How many rows of the partition can be given at all.
        var needed = 0
    }

    public init(_ plan: TopNPlan, input: Schema, object: String, limits: Limits) {
        self.plan = plan
        limit = limits.keptRows
        self.limits = limits
        self.input = input
        ttl = StateTTL(milliseconds: plan.stateTTLMilliseconds)
        keys = KeyTable(types: plan.keys.map { input[$0].type }, store: store)
        rows = RowStore(input, store: store)
        order = RowOrder(plan.order, rows)
        checked = Array(Set(plan.keys + plan.order.map(\.column))).sorted()
        output = ChangeOutput(
            input.fields.map(\.type) + (plan.emitsRank ? [.bigInt] : []), rows: limits.batchRows,
            hasKinds: !plan.isFinal)
        super.init(object: object)
    }

    /// Rows that are kept now.
    public var keptRows: Int { rows.count }

    // MARK: - Rows

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        if ttl != nil {
            ttl?.look(at: context.clock)
            expire()
        }
        try take(batch, context) { _ in true }
    }

    /// The rows of the key groups that `isWanted` names.
    func take(
        _ batch: ColumnBatch, _ context: ShardContext, isWanted: (_ group: Int) -> Bool
    ) throws(Diagnostic) {
        keys.bind(plan.keys.map { batch.columns[$0] })
        var row = 0
        while row < batch.count {
            let origin = batch.metadata.origins[row]
            watermark = max(watermark, batch.metadata.watermarks[row])
            if changes != nil, context.isReplayed(origin: origin) {
                row += 1
                continue
            }
            if let failed = checked.first(where: { batch.columns[$0].states[row] > CellState.valid }) {
                try context.reject(
                    origin: origin, .of(batch.columns[failed].states[row]), object: object, detail: "input of the rank")
                row += 1
                continue
            }
            let key = keys.intern(row: row)
            if isMuted, !isWanted(keys.group(of: key)) {
                keys.drop(key)
                row += 1
                continue
            }
            row += try change(batch, row, key, context)
            if output.isFull { try flush(context) }
        }
        try flush(context)
    }

    /// Takes one row, or the two of an update; returns how many.
    private func change(
        _ batch: ColumnBatch, _ row: Int, _ key: Int32, _ context: ShardContext
    ) throws(Diagnostic) -> Int {
        while partitions.count <= Int(key) { partitions.append(nil) }
        // Only while state is restored: else all that is too old has gone.
        if isMuted, ttl != nil, let known = partitions[Int(key)], ttl!.isExpired(key) {
            keys.retain(key)
            defer { keys.release(key) }
            forget(known)
            return try change(batch, row, key, context)
        }
        guard plan.inputRetracts, batch.metadata.kind(row).isRetraction else {
            try add(batch, row, key, context)
            return 1
        }
        guard let partition = partitions[Int(key)] else {
            keys.drop(key)
            return 1
        }
        let isMove =
            plan.movesRows && batch.metadata.kind(row) == .updateBefore && row + 1 < batch.count
            && batch.metadata.kind(row + 1) == .updateAfter && keys.intern(row: row + 1) == key
            && checked.allSatisfy { batch.columns[$0].states[row + 1] <= CellState.valid }
        guard let place = find(batch, row, in: partition) else {
            if isMove { try add(batch, row + 1, key, context) }
            return isMove ? 2 : 1
        }
        if !plan.isFinal { rank(partition, &before) }
        let old = partition.slots.remove(at: place)
        leaving.append(old)
        if isMove {
            let new = rows.insert(batch, row + 1)
            partition.slots.insert(new, at: self.place(of: new, in: partition))
            note(key, batch, row, as: .updateBefore)
            note(key, batch, row + 1, as: .updateAfter)
            give(partition, inserted: new, replaced: old, batch, row + 1)
            return 2
        }
        note(key, batch, row, as: .delete)
        give(partition, inserted: nil, replaced: nil, batch, row)
        if partition.slots.isEmpty {
            partitions[Int(key)] = nil
            ttl?.remove(key)
            ended.append(key)
        }
        return 1
    }

    private func add(_ batch: ColumnBatch, _ row: Int, _ key: Int32, _ context: ShardContext) throws(Diagnostic) {
        guard rows.count < limit || isMuted else {
            if partitions[Int(key)] == nil { keys.drop(key) }
            try context.rejectExcess(origin: batch.metadata.origins[row], object: object, limit: limit, of: "rows kept")
            return
        }
        let partition = partition(key)
        let slot = rows.insert(batch, row)
        let place = place(of: slot, in: partition)
        if !plan.inputRetracts {
            // Behind the last rank for ever.
            let isBehind = plan.function == .rowNumber && place >= plan.last ?? .max
            if isBehind || isRepetition(slot, of: partition) {
                rows.release(slot)
                return
            }
        }
        if !plan.isFinal { rank(partition, &before) }
        partition.slots.insert(slot, at: place)
        note(key, batch, row, as: .insert)
        give(partition, inserted: slot, replaced: nil, batch, row)
    }

    /// The partition of a key, a new one if need be.
    func partition(_ key: Int32) -> Partition {
        while partitions.count <= Int(key) { partitions.append(nil) }
        if let known = partitions[Int(key)] { return known }
        keys.retain(key)
        let partition = Partition(key: key)
        partitions[Int(key)] = partition
        return partition
    }

    /// Partitions whose time to live has passed.
    func expire() {
        while let key = ttl?.firstExpired, let partition = partitions[Int(key)] { forget(partition) }
    }

    private func forget(_ partition: Partition) {
        changes?.groups.insert(keys.group(of: partition.key))
        for slot in partition.slots { rows.release(slot) }
        ttl?.remove(partition.key)
        partitions[Int(partition.key)] = nil
        keys.release(partition.key)
    }

    /// The place behind all rows that come before the new one.
    private func place(of slot: Int32, in partition: Partition) -> Int {
        var (low, high) = (0, partition.slots.count)
        while low < high {
            let middle = (low + high) / 2
            let order = order.compare(partition.slots[middle], slot)
            if order < 0 || order == 0 && !plan.prefersNewest { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The last row by processing time says nothing new when it is the same again. (With a time to live it does: that it is
    /// still there.)
    private func isRepetition(_ slot: Int32, of partition: Partition) -> Bool {
        guard ttl == nil, plan.prefersNewest, plan.order.isEmpty, plan.last == 1, let known = partition.slots.first
        else {
            return false
        }
        return isEqual(slot, known)
    }

    private func isEqual(_ a: Int32, _ b: Int32) -> Bool {
        rows.columns.allSatisfy { $0.isEqual(Int(a), to: Int(b), of: $0) }
    }

    /// The place of the first row that equals one of the batch.
    private func find(_ batch: ColumnBatch, _ row: Int, in partition: Partition) -> Int? {
        let wanted = rows.insert(batch, row)
        defer { rows.release(wanted) }
        var (low, high) = (0, partition.slots.count)
        while low < high {
            let middle = (low + high) / 2
            if order.compare(partition.slots[middle], wanted) < 0 { low = middle + 1 } else { high = middle }
        }
        while low < partition.slots.count, order.compare(partition.slots[low], wanted) == 0 {
            if isEqual(partition.slots[low], wanted) { return low }
            low += 1
        }
        return nil
    }

    // MARK: - Ranks

    /// The rows that are given now.
    private func rank(_ partition: Partition, _ result: inout Ranked) {
        result.slots.removeAll(keepingCapacity: true)
        result.ranks.removeAll(keepingCapacity: true)
        var current = 0
        result.needed = partition.slots.count
        for (place, slot) in partition.slots.enumerated() {
            switch plan.function {
            case .rowNumber: current = place + 1
            case .rank: if !isTie(partition, place) { current = place + 1 }
            case .denseRank: if !isTie(partition, place) { current += 1 }
            }
            if let last = plan.last, current > last {
                result.needed = place
                return
            }
            guard current >= plan.first else { continue }
            result.slots.append(slot)
            result.ranks.append(Int64(current))
        }
    }

    private func isTie(_ partition: Partition, _ place: Int) -> Bool {
        place > 0 && order.compare(partition.slots[place - 1], partition.slots[place]) == 0
    }

    /// Gives what a change of the partition has changed, and lets rows go that will not be asked for any more.
    private func give(
        _ partition: Partition, inserted: Int32?, replaced: Int32?, _ batch: ColumnBatch, _ row: Int
    ) {
        let isTrimmed = !plan.inputRetracts && partition.slots.count > plan.last ?? .max
        if plan.isFinal, !isTrimmed { return }
        rank(partition, &after)
        if !plan.isFinal {
            let (origin, watermark) = (batch.metadata.origins[row], batch.metadata.watermarks[row])
            if plan.tracksRanks, plan.function == .rowNumber {
                giveByRank(origin, watermark)
            } else {
                giveByRow(inserted, replaced, origin, watermark)
            }
        }
        if isTrimmed {
            leaving += partition.slots[after.needed...]
            partition.slots.removeSubrange(after.needed...)
        }
    }

    /// Another row in the place of a rank is an update of the rank.
    private func giveByRank(_ origin: Int32, _ watermark: Int64) {
        for i in 0..<max(before.slots.count, after.slots.count) {
            if i >= after.slots.count {
                append(.delete, before, i, origin, watermark)
            } else if i >= before.slots.count {
                append(.insert, after, i, origin, watermark)
            } else if before.slots[i] != after.slots[i] {
                if plan.emitsBefore { append(.updateBefore, before, i, origin, watermark) }
                append(.updateAfter, after, i, origin, watermark)
            }
        }
    }

    /// Rows leave, rows come; with a rank of their own (RANK, DENSE_RANK) others change it.
    private func giveByRow(_ inserted: Int32?, _ replaced: Int32?, _ origin: Int32, _ watermark: Int64) {
        // All rows but the inserted one stand in the same order as before.
        var (i, j) = (0, 0)
        var (gone, new): (Int?, Int?) = (nil, nil)
        var lost: [Int] = []
        while i < before.slots.count || j < after.slots.count {
            if j < after.slots.count, after.slots[j] == inserted {
                new = j
                j += 1
            } else if i < before.slots.count, j < after.slots.count, before.slots[i] == after.slots[j] {
                if plan.emitsRank, before.ranks[i] != after.ranks[j] {
                    if plan.emitsBefore { append(.updateBefore, before, i, origin, watermark) }
                    append(.updateAfter, after, j, origin, watermark)
                }
                i += 1
                j += 1
            } else if i < before.slots.count, isGone(i, j) {
                if gone == nil { gone = i } else { lost.append(i) }
                i += 1
            } else {
                // A row that moves up to a rank that is given.
                if gone != nil { appendGone(&gone, &lost, origin, watermark) }
                append(.insert, after, j, origin, watermark)
                j += 1
            }
        }
        let isUpdate = plan.last == 1 && plan.first == 1 && (!plan.inputRetracts || plan.movesRows)
        if let old = gone, let place = new, lost.isEmpty, isUpdate || before.slots[old] == replaced {
            if plan.emitsBefore { append(.updateBefore, before, old, origin, watermark) }
            append(.updateAfter, after, place, origin, watermark)
            return
        }
        appendGone(&gone, &lost, origin, watermark)
        if let new { append(.insert, after, new, origin, watermark) }
    }

    /// Whether the row at `i` before is none of those from `j` on now.
    private func isGone(_ i: Int, _ j: Int) -> Bool {
        j >= after.slots.count || !after.slots[j...].contains(before.slots[i])
    }

    private func appendGone(_ gone: inout Int?, _ lost: inout [Int], _ origin: Int32, _ watermark: Int64) {
        if let first = gone { append(.delete, before, first, origin, watermark) }
        for other in lost { append(.delete, before, other, origin, watermark) }
        gone = nil
        lost.removeAll()
    }

    private func append(_ kind: RowKind, _ ranked: Ranked, _ place: Int, _ origin: Int32, _ watermark: Int64) {
        let columns = output.batch.columns
        for index in rows.columns.indices { rows.append(index, ranked.slots[place], to: columns[index]) }
        if plan.emitsRank { columns[columns.count - 1].append(int: ranked.ranks[place]) }
        output.commit(kind, origin: origin, watermark: watermark)
    }

    // MARK: - Output

    public override func advance(to watermark: Int64, port: Int, context: ShardContext) throws(Diagnostic) {
        if plan.isFinal, watermark == EventTime.end {
            for partition in partitions {
                guard let partition else { continue }
                rank(partition, &after)
                for place in after.slots.indices {
                    append(.insert, after, place, -1, self.watermark)
                    if output.isFull { try flush(context) }
                }
                leaving += partition.slots
                ended.append(partition.key)
            }
            partitions.removeAll()
            try flush(context)
        }
        try emit(watermark: watermark, context: context)
    }

    private func flush(_ context: ShardContext) throws(Diagnostic) {
        try emit(output.batch, context: context)
        output.clear()
        for slot in leaving { rows.release(slot) }
        leaving.removeAll(keepingCapacity: true)
        for key in ended { keys.release(key) }
        ended.removeAll(keepingCapacity: true)
    }
}
