import MillraceCore
import MillraceRuntime

/// A file, or the files of a directory and those below it in name order, record by record. Bounded.
///
/// Partition = file; offset = record number in it, from 0. A restart skips the records before `replayOffset`.
final class FileSource: Source {
    private let path: String
    private let plan: SourcePlan
    private let limits: Limits
    private let decoder: any RowDecoder
    /// Field indices that the decoder fills, those from metadata, and those that the file's directory names.
    private let decoded: [Int]
    private let metadata: [(field: Int, key: String)]
    private let partitionFields: [Int]
    private let defaultName: String
    /// Cells of `partitionFields`, by file.
    private var partitionCells: [[Value]] = []
    private let quote: UInt8?
    private let delimiter: UInt8
    private let escape: UInt8?
    private(set) var partitions: [SourcePartition] = []
    private var facts: [FileSystem.Facts] = []
    private var nextOffsets: [Int64] = []
    private var file = 0
    private var reader: RecordReader?
    private var skip: Int64 = 0
    private var origins: [Int32] = []
    private var failures: [DecodeFailure] = []
    private var messages: [ByteRef] = []

    init(_ plan: SourcePlan, formats: any FormatFactory, limits: Limits) throws(Diagnostic) {
        guard let path = plan.options["path"], !path.isEmpty else {
            throw Diagnostic(
                "table \"\(plan.name)\" has no option \"path\"", hint: "Set 'path' to a file or directory.")
        }
        guard let format = plan.options["format"] else {
            throw Diagnostic(
                "table \"\(plan.name)\" has no option \"format\"", hint: "Set 'format' to 'json' or 'csv'.")
        }
        self.path = FileSystem.path(path)
        self.plan = plan
        self.limits = limits
        var decoded: [Int] = []
        var metadata: [(field: Int, key: String)] = []
        var keys: [Int] = []
        for (index, field) in plan.fields.enumerated() {
            switch field.origin {
            case .physical(let path) where plan.partitionKeys.contains(path.first ?? ""): keys.append(index)
            case .physical: decoded.append(index)
            case .metadata(let key): metadata.append((index, key))
            }
        }
        self.decoded = decoded
        self.metadata = metadata
        partitionFields = keys
        defaultName = plan.options["partition.default-name"] ?? PartitionPath.defaultName
        decoder = try formats.makeDecoder(
            format: format, part: nil, options: plan.options,
            physical: Schema(plan.physicalSchema.fields.filter { !plan.partitionKeys.contains($0.name) }),
            fields: decoded.map { plan.fields[$0] })
        let quotes = format == "csv" && plan.options["csv.disable-quote-character"]?.lowercased() != "true"
        quote = quotes ? plan.options["csv.quote-character"]?.utf8.first ?? 0x22 : nil
        let separator = plan.options["csv.field-delimiter"]
        delimiter = separator == "\\t" ? 0x09 : separator?.utf8.first ?? 0x2C
        escape = format == "csv" ? plan.options["csv.escape-character"]?.utf8.first : nil
    }

    var descriptor: Int32 { -1 }
    func isAtEnd(partition: Int) -> Bool { partition < file }
    func nextOffset(partition: Int) -> Int64 { nextOffsets[partition] }
    func committed(_ positions: [SourcePosition]) {}
    func close() { reader = nil }

    func start(from positions: [SourcePosition]) throws(Diagnostic) {
        guard let found = FileSystem.facts(path) else {
            throw Diagnostic(
                "no file or directory \"\(path)\" for table \"\(plan.name)\"", hint: "Check the option 'path'.")
        }
        var paths = [path]
        if found.isDirectory { paths = try FileSystem.files(path) }
        for path in paths {
            guard let facts = FileSystem.facts(path), !facts.isDirectory else { continue }
            partitions.append(SourcePartition(topic: path, partition: 0))
            self.facts.append(facts)
            var cells: [Value] = []
            for index in partitionFields {
                let field = plan.fields[index]
                let text = PartitionPath.value(of: field.name, in: path, defaultName: defaultName)
                cells.append(try PartitionPath.cell(text, field, path))
            }
            partitionCells.append(cells)
            nextOffsets.append(positions.first { $0.partition.topic == path }?.replayOffset ?? 0)
        }
        file = 0
        try openFile()
    }

    private func openFile() throws(Diagnostic) {
        guard file < partitions.count else {
            reader = nil
            return
        }
        reader = try RecordReader(
            partitions[file].topic, quote: quote, delimiter: delimiter, escape: escape,
            recordBytes: limits.messageBytes)
        skip = nextOffsets[file]
    }

    func poll(into batch: SourceBatch) throws(Diagnostic) -> SourceStatus {
        batch.clear()
        messages.removeAll(keepingCapacity: true)
        let records = batch.records
        // One file a batch, and one buffer fill: records point into the reader's buffer.
        while let reader {
            switch reader.next() {
            case .record(let record):
                if skip > 0 {
                    skip -= 1
                    continue
                }
                append(record, to: records)
                messages.append(record)
            case .tooLong(let head):
                if skip > 0 {
                    skip -= 1
                    continue
                }
                batch.rejected.append(
                    RejectedRecord(
                        record: Int32(records.count), reason: .limitExceeded,
                        detail: "record longer than \(limits.messageBytes) bytes"))
                append(head, to: records)
                messages.append(.absent)
            case .needsMore:
                if records.count > 0 { return finish(batch) }
                try reader.refill()
            case .end:
                if records.count > 0 { return finish(batch) }
                file += 1
                try openFile()
            }
            if records.count >= limits.batchRows { return finish(batch) }
        }
        return .finished
    }

    private func append(_ record: ByteRef, to records: RecordTable) {
        records.append(
            partition: Int32(file), offset: nextOffsets[file], timestamp: .min, key: .absent, value: record)
        nextOffsets[file] += 1
    }

    private func finish(_ batch: SourceBatch) -> SourceStatus {
        origins.removeAll(keepingCapacity: true)
        failures.removeAll(keepingCapacity: true)
        let columns = decoded.map { batch.rows.columns[$0] }
        messages.withUnsafeBufferPointer {
            decoder.decode($0, into: columns, origins: &origins, failures: &failures, arena: batch.arena)
        }
        for failure in failures {
            batch.rejected.append(
                RejectedRecord(record: failure.message, reason: .undecodable, detail: failure.detail))
        }
        let rows = origins.count
        batch.rows.count = rows
        batch.rows.metadata.reserve(rows)
        for row in 0..<rows { batch.rows.metadata.origins[row] = origins[row] }
        for (field, value) in zip(partitionFields, partitionCells[file]) {
            batch.rows.columns[field].fill(value, rows: rows, arena: batch.arena)
        }
        for (field, key) in metadata {
            let facts = facts[file]
            let path = partitions[file].topic
            let value: Value =
                switch key {
                case "file.path": .string(path)
                case "file.name": .string(FileSystem.name(path))
                case "file.size": .integer(facts.size)
                case "file.modification-time": .integer(facts.modified / 1000 * 1000)
                default: .null
                }
            batch.rows.columns[field].fill(value, rows: rows, arena: batch.arena)
        }
        return .more
    }
}
