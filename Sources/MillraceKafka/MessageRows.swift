internal import CLibrdkafka
import MillraceCore
import MillraceRuntime

/// Messages to rows: value and key through their decoders, metadata beside them.
///
/// As in Flink, every row of the value meets every row of the key. A message without key gives NULL key columns; one
/// whose key cannot be decoded is rejected whole.
struct MessageRows {
    private let value: any RowDecoder
    private let key: (any RowDecoder)?
    /// Places in the plan's `fields`.
    private let valuePlaces: [Int]
    private let keyPlaces: [Int]
    private let metadataPlaces: [(place: Int, key: MetadataKey)]
    private let messageBytes: Int

    // Reused by every poll.
    /// The batch's columns as last seen, and the value's among them.
    private var columns: [Column] = []
    private var valueColumns: [Column] = []
    private var origins: [Int32] = []
    private var failures: [DecodeFailure] = []
    private var keyColumns: [Column] = []
    private var keyOrigins: [Int32] = []
    private var keyFailures: [DecodeFailure] = []
    private var keyStart: [Int32] = []
    private var keyCount: [Int32] = []
    private var rowIndices: [Int32] = []
    private var keyIndices: [Int32] = []
    /// Columns by place that stand in while value rows are dropped or multiplied.
    private var spare: [Column]
    private var accepted: [ByteRef] = []

    init(plan: SourcePlan, formats: any FormatFactory, limits: Limits) throws(Diagnostic) {
        let layout = try MessageFormats(options: plan.options, columns: plan.physicalSchema)
        var valueFields: [SourceField] = []
        var valuePlaces: [Int] = []
        var keyFields: [SourceField] = []
        var keyPlaces: [Int] = []
        var metadataPlaces: [(place: Int, key: MetadataKey)] = []
        for (place, field) in plan.fields.enumerated() {
            switch field.origin {
            case .physical(let path):
                if layout.valueExcludesKey, let column = path.first, layout.isKey(column) {
                    var inner = field
                    inner.origin = .physical(path: [layout.keyName(column)] + path.dropFirst())
                    keyFields.append(inner)
                    keyPlaces.append(place)
                } else {
                    var inner = field
                    inner.origin = .physical(path: try layout.pathInValue(path))
                    valueFields.append(inner)
                    valuePlaces.append(place)
                }
            case .metadata(let name):
                guard let key = MetadataKey(rawValue: name) else {
                    throw Diagnostic(
                        "unknown metadata key \"\(name)\" of table \"\(plan.name)\"",
                        hint: NearestName.hint(name, in: MetadataKey.allCases.map(\.rawValue)))
                }
                guard key.fits(field.type) else {
                    throw Diagnostic(
                        "metadata column \"\(field.name)\" cannot be \(field.type)",
                        hint: "Declare it as \(key.type), and cast it in the query.")
                }
                metadataPlaces.append((place, key))
            }
        }
        let physical = plan.physicalSchema.fields
        let valueSchema =
            layout.valueColumn?.schema
            ?? Schema(physical.filter { !(layout.valueExcludesKey && layout.isKey($0.name)) })
        value = try formats.makeDecoder(
            format: layout.valueFormat, part: layout.valuePart, options: plan.options, physical: valueSchema,
            fields: valueFields)
        if keyFields.isEmpty {
            key = nil
        } else {
            // MessageFormats has checked that EXCEPT_KEY with key fields comes with a key format.
            let keySchema = Schema(
                layout.keyFields.compactMap { name in
                    physical.first { $0.name == name }.map {
                        Field(layout.keyName(name), $0.type, isNullable: $0.isNullable)
                    }
                })
            key = try formats.makeDecoder(
                format: layout.keyFormat!, part: "key", options: plan.options, physical: keySchema, fields: keyFields)
        }
        keyColumns = keyFields.map { Column($0.type) }
        spare = plan.fields.map { Column($0.type, capacity: 1) }
        self.valuePlaces = valuePlaces
        self.keyPlaces = keyPlaces
        self.metadataPlaces = metadataPlaces
        messageBytes = limits.messageBytes
    }

    /// Fills rows, origins and rejections from the records that stand in `batch.records`.
    mutating func fill(_ batch: SourceBatch, messages: UnsafePointer<KafkaSource.Message?>, topicNames: [ByteRef]) {
        let records = batch.records
        origins.removeAll(keepingCapacity: true)
        failures.removeAll(keepingCapacity: true)
        if columns.isEmpty || !columns.isSameArray(as: batch.rows.columns) {
            columns = batch.rows.columns
            valueColumns = valuePlaces.map { columns[$0] }
        }
        if refuseOversized(batch) {
            accepted.withUnsafeBufferPointer {
                value.decode($0, into: valueColumns, origins: &origins, failures: &failures, arena: batch.arena)
            }
        } else {
            value.decode(
                records.values, into: valueColumns, origins: &origins, failures: &failures, arena: batch.arena)
        }
        for failure in failures {
            batch.rejected.append(
                RejectedRecord(record: failure.message, reason: .undecodable, detail: failure.detail))
        }
        if key != nil { joinKeys(batch) }
        let rows = origins.count
        batch.rows.count = rows
        batch.rows.metadata.reserve(rows)
        origins.withUnsafeBufferPointer { origins in
            guard rows > 0, let base = origins.baseAddress else { return }
            batch.rows.metadata.origins.update(from: base, count: rows)
            for (place, key) in metadataPlaces {
                MetadataColumns.fill(
                    batch.rows.columns[place], key, rows: rows, origins: base, messages: messages, records: records,
                    topicNames: topicNames)
            }
        }
    }

    /// Rejects values that are too long; true when there were any, and then `accepted` has absent in their place.
    private mutating func refuseOversized(_ batch: SourceBatch) -> Bool {
        let values = batch.records.values
        guard values.contains(where: { $0.count > messageBytes }) else { return false }
        accepted = Array(values)
        for i in values.indices where values[i].count > messageBytes {
            accepted[i] = .absent
            batch.rejected.append(
                RejectedRecord(
                    record: Int32(i), reason: .limitExceeded,
                    detail: "message of \(values[i].count) bytes, the limit is \(messageBytes)"))
        }
        return true
    }

    private mutating func joinKeys(_ batch: SourceBatch) {
        guard let key else { return }
        let records = batch.records
        for column in keyColumns { column.clear() }
        keyOrigins.removeAll(keepingCapacity: true)
        keyFailures.removeAll(keepingCapacity: true)
        key.decode(
            records.keys, into: keyColumns, origins: &keyOrigins, failures: &keyFailures, arena: batch.arena)
        keyStart.removeAll(keepingCapacity: true)
        keyCount.removeAll(keepingCapacity: true)
        for i in 0..<records.count {
            // Absent key: one row of NULLs, written as index -1.
            keyStart.append(-1)
            keyCount.append(records.key[i].isAbsent ? 1 : 0)
        }
        for (row, origin) in keyOrigins.enumerated() {
            if keyStart[Int(origin)] < 0 {
                keyStart[Int(origin)] = Int32(row)
                keyCount[Int(origin)] = 0
            }
            keyCount[Int(origin)] += 1
        }
        for failure in keyFailures {
            keyCount[Int(failure.message)] = 0
            // A record is rejected once, for its value first.
            guard !batch.rejected.contains(where: { $0.record == failure.message }) else { continue }
            batch.rejected.append(
                RejectedRecord(record: failure.message, reason: .undecodable, detail: "key: " + failure.detail))
        }
        rowIndices.removeAll(keepingCapacity: true)
        keyIndices.removeAll(keepingCapacity: true)
        var isIdentity = true
        for (row, origin) in origins.enumerated() {
            let count = keyCount[Int(origin)]
            if count != 1 { isIdentity = false }
            for k in 0..<count {
                rowIndices.append(Int32(row))
                keyIndices.append(keyStart[Int(origin)] < 0 ? -1 : keyStart[Int(origin)] + k)
            }
        }
        keyIndices.withUnsafeBufferPointer { indices in
            guard let base = indices.baseAddress else { return }
            for (column, place) in zip(keyColumns, keyPlaces) {
                batch.rows.columns[place].gather(from: column, indices: base, count: indices.count)
            }
        }
        guard !isIdentity else { return }
        rowIndices.withUnsafeBufferPointer { indices in
            for place in valuePlaces {
                spare[place].clear()
                if let base = indices.baseAddress {
                    spare[place].gather(from: batch.rows.columns[place], indices: base, count: indices.count)
                }
                swap(&spare[place], &batch.rows.columns[place])
            }
        }
        origins = rowIndices.map { origins[Int($0)] }
    }
}
