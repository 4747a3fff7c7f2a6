public import MillraceCore
public import MillraceRuntime

/// Writes the rows of one INSERT into its table: columns go straight into the arrays of the next transaction.
///
/// With a PRIMARY KEY rows replace older ones of their key; of several in one transaction the last wins. Rows that take others
/// back delete by key.
/// Belongs to one `PostgresSession`, which sends what has gathered.
public final class PostgresSink: Sink {
    public let plan: SinkPlan
    let statement: String
    /// Deletes by key; empty for a sink whose rows are only added.
    let deletion: String
    let encoders: [ColumnEncoder]
    /// Indices of the key's columns; empty without PRIMARY KEY.
    let keyColumns: [Int]
    let index: Int
    /// Of the prepared statement.
    let name: String
    /// Of the prepared deletion.
    let deletionName: String
    private unowned let session: PostgresSession
    private var verdicts: [UInt8] = []
    private var selection: [Int32] = []
    private var keys: KeyIndex
    /// The block that `keys` describes.
    private var keyedBlock: RowBlock?
    private var spare: RowBlock?
    /// Which of the block's rows delete; empty for a sink whose rows are only added.
    private var isDeletion: [Bool] = []
    private var deletionCount = 0

    /// Asks the catalog what the table is like. Creates it with `'create-table' = 'true'`.
    init(plan: SinkPlan, index: Int, session: PostgresSession, connection: Connection) throws(Diagnostic) {
        self.plan = plan
        self.index = index
        name = "millrace_sink_\(index)"
        deletionName = "millrace_deletion_\(index)"
        self.session = session
        let binding = try SinkBinding(plan, connection, mayCreate: true)
        encoders = binding.encoders
        keyColumns = binding.keyColumns
        statement = binding.statement
        deletion = binding.deletion
        keys = KeyIndex(columns: keyColumns)
    }

    var elementTypes: [UInt32] { encoders.map(\.elementType) }
    /// For the keys of deletions; nil for a sink whose rows are only added.
    func makeDeletions() -> RowBlock? {
        deletion.isEmpty ? nil : RowBlock(keyColumns.map { encoders[$0].elementType })
    }

    public func write(_ batch: ColumnBatch, reject: (_ row: Int, RowErrorCode, _ detail: String) -> Void)
        throws(Diagnostic)
    {
        let rows = batch.count
        guard rows > 0 else { return }
        if verdicts.count < rows { verdicts = [UInt8](repeating: 0, count: rows * 2) }
        selection.removeAll(keepingCapacity: true)
        verdicts.withUnsafeMutableBufferPointer { verdicts in
            verdicts.update(repeating: 0)
            for (i, encoder) in encoders.enumerated() {
                encoder.check(batch.columns[i], rows: rows, verdicts: verdicts.baseAddress!, refuse: reject)
            }
            for row in 0..<rows where verdicts[row] == 0 { selection.append(Int32(row)) }
        }
        guard !selection.isEmpty else { return }
        let block = session.current.blocks[index]
        let before = block.bytes
        if !keyColumns.isEmpty, keyedBlock !== block || block.rows == 0 {
            keys.clear()
            keyedBlock = block
            isDeletion.removeAll(keepingCapacity: true)
            deletionCount = 0
        }
        keys.beginBatch(block)
        selection.withUnsafeBufferPointer { selection in
            for (i, encoder) in encoders.enumerated() {
                if encoder.encode(batch.columns[i], selection, into: block.buffers[i]) { block.hasNull[i] = true }
            }
        }
        if !keyColumns.isEmpty { keys.add(block, rows: selection.count) }
        if !deletion.isEmpty { noteDeletions(batch.metadata) }
        appendOrigins(batch, block)
        block.rows += selection.count
        session.took(rows: selection.count, bytes: block.bytes - before)
    }

    private func noteDeletions(_ metadata: RowMetadata) {
        for row in selection {
            let deletes = metadata.kind(Int(row)).isRetraction
            isDeletion.append(deletes)
            if deletes { deletionCount += 1 }
        }
    }

    private func appendOrigins(_ batch: ColumnBatch, _ block: RowBlock) {
        guard let context = session.context, let records = context.records else {
            for _ in selection { block.appendOrigin(.none, key: .absent, value: .absent) }
            return
        }
        let origins = batch.metadata.origins
        for row in selection {
            let origin = Int(origins[Int(row)])
            if origin >= 0, origin < records.count {
                block.appendOrigin(
                    RowOrigin(
                        source: Int32(context.source), partition: records.partition[origin],
                        offset: records.offset[origin]),
                    key: records.key[origin], value: records.value[origin],
                    headers: records.headers?(origin).map { ($0.name, $0.value.isAbsent ? nil : $0.value.array) } ?? [])
            } else {
                block.appendOrigin(.none, key: .absent, value: .absent)
            }
        }
    }

    /// Leaves one row a key, the last, before the transaction is sent: ON CONFLICT refuses a second hit. If that row takes
    /// another back, its key goes to the transaction's deletions.
    func coalesce(_ transaction: SinkTransaction) {
        let block = transaction.blocks[index]
        guard !keyColumns.isEmpty, keyedBlock === block, block.rows > 0, keys.supersededCount + deletionCount > 0 else {
            return
        }
        let target = spare ?? RowBlock(elementTypes)
        target.clear()
        if deletionCount > 0 {
            block.copy(to: target) { !keys.isSuperseded[$0] && !isDeletion[$0] }
            if let deletions = transaction.deletions[index] {
                block.copy(keyColumns, to: deletions) { !keys.isSuperseded[$0] && isDeletion[$0] }
            }
        } else {
            block.copy(to: target) { !keys.isSuperseded[$0] }
        }
        transaction.blocks[index] = target
        block.clear()
        spare = block
        keyedBlock = nil
    }
}

/// The keys of one block's rows, to find those that a later row replaces. Open addressing over the encoded bytes.
struct KeyIndex {
    private let columns: [Int]
    /// Where each row's key elements begin, `columns.count` a row.
    private var starts: [Int] = []
    private var table: [Int32] = [Int32](repeating: -1, count: 64)
    private var cursors: [Int]
    private(set) var isSuperseded: [Bool] = []
    private(set) var supersededCount = 0

    init(columns: [Int]) {
        self.columns = columns
        cursors = columns.map { _ in 0 }
    }

    mutating func clear() {
        // A table that a burst made large must not be wiped for every small transaction after it.
        if table.count > 1024, isSuperseded.count * 16 < table.count { table = [Int32](repeating: -1, count: 64) }
        starts.removeAll(keepingCapacity: true)
        isSuperseded.removeAll(keepingCapacity: true)
        supersededCount = 0
        for i in table.indices { table[i] = -1 }
    }

    /// Notes where the next rows' elements will begin.
    mutating func beginBatch(_ block: RowBlock) {
        for (i, column) in columns.enumerated() { cursors[i] = block.buffers[column].count }
    }

    mutating func add(_ block: RowBlock, rows: Int) {
        for _ in 0..<rows {
            let row = isSuperseded.count
            if (row + 1) * 4 > table.count * 3 { grow(block) }
            for (i, column) in columns.enumerated() {
                starts.append(cursors[i])
                cursors[i] += KeyIndex.size(block.buffers[column], cursors[i])
            }
            isSuperseded.append(false)
            let slot = find(row, block)
            if table[slot] >= 0 {
                isSuperseded[Int(table[slot])] = true
                supersededCount += 1
            }
            table[slot] = Int32(row)
        }
    }

    /// Bytes of an element with its length.
    private static func size(_ buffer: ByteBuffer, _ position: Int) -> Int {
        let length = UnsafeRawPointer(buffer.start).loadUnaligned(fromByteOffset: position, as: Int32.self)
        return 4 + max(0, Int(Int32(bigEndian: length)))
    }

    private func hash(_ row: Int, _ block: RowBlock) -> UInt64 {
        // FNV-1a over the elements, finished by a multiply-shift so that the low bits are good.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for (i, column) in columns.enumerated() {
            let buffer = block.buffers[column]
            let start = starts[row * columns.count + i]
            let pointer = buffer.start + start
            for j in 0..<KeyIndex.size(buffer, start) { hash = (hash ^ UInt64(pointer[j])) &* 0x100_0000_01B3 }
        }
        hash ^= hash >> 32
        hash = hash &* 0x9E37_79B9_7F4A_7C15
        return hash ^ (hash >> 29)
    }

    private func equals(_ a: Int, _ b: Int, _ block: RowBlock) -> Bool {
        for (i, column) in columns.enumerated() {
            let buffer = block.buffers[column]
            let (x, y) = (starts[a * columns.count + i], starts[b * columns.count + i])
            let size = KeyIndex.size(buffer, x)
            guard size == KeyIndex.size(buffer, y) else { return false }
            for j in 0..<size where buffer.start[x + j] != buffer.start[y + j] { return false }
        }
        return true
    }

    private func find(_ row: Int, _ block: RowBlock) -> Int {
        let mask = table.count - 1
        var slot = Int(truncatingIfNeeded: hash(row, block)) & mask
        while table[slot] >= 0, !equals(Int(table[slot]), row, block) { slot = (slot + 1) & mask }
        return slot
    }

    private mutating func grow(_ block: RowBlock) {
        table = [Int32](repeating: -1, count: table.count * 2)
        for row in isSuperseded.indices where !isSuperseded[row] { table[find(row, block)] = Int32(row) }
    }
}
